import { type RedisSentinelService, redis, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createNode, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

/** A master with two replicas; its sentinel never finds it down. */
let servers: RedisSentinelService;
let url: string;
let cli: (...args: string[]) => Promise<unknown>;
beforeAll(async () => {
  servers = await redisSentinel({ sentinels: 1, quorum: 1, downAfterMs: 600_000, proxied: true });
  const master = await servers.master();
  ({ url, cli } = master);
});
beforeEach(() => {
  servers.healReplication();
  return servers.ready();
});
afterAll(() => servers.stop());

let count = 0;
const newPrefix = (): string => `durability-${++count}`;
const stateOf = async (prefix?: string): Promise<State> =>
  new State({ ...(await servers.master()), source: 'binary' }, prefix);
const DURABLE = { durability: { replicas: 1, timeoutMs: 300 } } as const;

test('is refused at the start where the loss of one replica would leave too few', async () => {
  await using lone = await redis({ exclusive: true });
  for (const [address, replicas, message] of [
    [lone.url, 1, 'needs 2 replicas for each master, so that one can fail: there are 0'],
    [url, 2, 'needs 3 replicas for each master, so that one can fail: there are 2'],
  ] as const)
    await expect(createNode({ url: address, durability: { replicas } }).kernel.start()).rejects.toMatchObject({
      code: 'EVENTS_REDIS_STREAMS_DURABILITY',
      message: expect.stringContaining(message),
    });
  await until(async () => (await (await stateOf()).connections()).length === 0, 'nothing stays connected');
});

test('with one replica for one: when that fails nothing could be confirmed', async () => {
  await using small = await redisSentinel({ replicas: 1, sentinels: 1, quorum: 1 });
  const node = createNode({ url: (await small.master()).url, durability: { replicas: 1 } });
  await expect(node.kernel.start()).rejects.toMatchObject({
    code: 'EVENTS_REDIS_STREAMS_DURABILITY',
    message: expect.stringContaining('there is 1. Add replicas'),
  });
});

test('is a group commit: many events share one WAIT, on a connection of its own', async () => {
  const trail = new Trail();
  const state = await stateOf();
  await using node = await startNode({ url, prefix: newPrefix(), ...DURABLE });
  await node.kernel.subscribe('order.*', trail.handler('consumer'), { concurrency: 100 });
  expect((await state.connections()).map(({ name }) => name).sort()).toEqual([
    'events-commands',
    'events-publisher',
    'events-reader',
  ]);
  const before = await state.calls('wait');
  await trail.publishAll(node.kernel, 'order.placed', 1, 2000);
  const waits = (await state.calls('wait')) - before;
  expect(waits).toBeGreaterThan(0);
  expect(waits).toBeLessThan(100);
  await trail.publish(node.kernel, 'order.placed', 2001);
  expect((await state.calls('wait')) - before).toBe(waits + 1);
  expect(trail.rejections).toEqual([]);
  await trail.whenComplete();
});

test('a cut replication: publishes are rejected by name, all else goes on, and when it is mended all is well', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using node = await startNode({ url, prefix, ...DURABLE });
  await using other = await startNode({ url, prefix });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await trail.whenComplete();

  servers.cutReplication();
  await trail.publishAll(node.kernel, 'order.placed', 11, 20);
  expect(trail.rejections).toMatchObject(Array(10).fill({ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }));
  expect(String(trail.rejections[0])).toContain('0 of 1 replicas (durability) had the event within 300 ms');
  // What others publish is read, handled and acknowledged here, while more events wait for replicas in vain.
  const publishing = trail.publishAll(node.kernel, 'order.placed', 21, 30);
  await trail.publishAll(other.kernel, 'order.placed', 31, 40);
  await trail.whenComplete();
  await (await stateOf(prefix)).whenSettled('order-events');
  await publishing;
  expect(trail.rejections).toMatchObject(Array(20).fill({ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }));
  expect(node.hears('disconnected')).toEqual([]);

  servers.healReplication();
  await until(() => trail.publish(node.kernel, 'order.placed', 41), 'events are confirmed again');
  const { length } = trail.rejections;
  await trail.publishAll(node.kernel, 'order.placed', 42, 100);
  expect(trail.rejections).toHaveLength(length);
  await trail.whenComplete();
});

test('a master that refuses writes for want of replicas (min-replicas-to-write) is named', async () => {
  const trail = new Trail();
  await using node = await startNode({ url, prefix: newPrefix() });
  await cli('CONFIG', 'SET', 'min-replicas-to-write', '3');
  try {
    expect(await trail.publish(node.kernel, 'order.placed', 1)).toBe(false);
  } finally {
    await cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
  }
  expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }]);
  expect(String(trail.rejections[0])).toContain('min-replicas-to-write');
  expect(await trail.publish(node.kernel, 'order.placed', 2)).toBe(true);
});
