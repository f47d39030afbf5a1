import { type RedisSentinelService, redisSentinel } from '@logistically/events-conformance/services';
import type { OutgoingEvent } from '@logistically/events-kernel';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Load } from './load.ts';
import { createNode, startNode } from './node.ts';
import { callsOf, connectionsOf, State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ appendonly: true, gossipMs: 200, downAfterMs: 500, proxied: true });
});
beforeEach(async () => {
  servers.healReplication();
  for (const node of servers.nodes) await node.start();
  await servers.ready();
});
afterAll(() => servers.stop());

let count = 0;
const newPrefix = (): string => `durability-${++count}`;
const DURABLE = { durability: { replicas: 1, timeoutMs: 300 } } as const;

test('is refused at the start where the loss of one replica would leave too few', async () => {
  const node = createNode({ servers, durability: { replicas: 2 } });
  await expect(node.kernel.start()).rejects.toMatchObject({
    code: 'EVENTS_REDIS_STREAMS_DURABILITY',
    message: expect.stringContaining('needs 3 replicas for each master, so that one can fail: there are 2'),
  });
  for (const each of servers.nodes)
    await until(async () => (await connectionsOf(each)).length === 0, 'nothing stays connected');
});

test('is a group commit: many events share one WAIT', async () => {
  const trail = new Trail();
  await using node = await startNode({ servers, prefix: newPrefix(), ...DURABLE });
  const master = await servers.master();
  const before = await callsOf(master, 'wait');
  await trail.publishAll(node.kernel, 'order.placed', 1, 2000);
  expect(trail.confirmed.size).toBe(2000);
  const waits = (await callsOf(master, 'wait')) - before;
  expect(waits).toBeGreaterThan(0);
  expect(waits).toBeLessThan(100);
  // One alone is waited for, too.
  await trail.publish(node.kernel, 'order.placed', 2001);
  expect((await callsOf(master, 'wait')) - before).toBe(waits + 1);
});

test('without it nothing waits for replicas', async () => {
  const trail = new Trail();
  await using node = await startNode({ servers, prefix: newPrefix() });
  const master = await servers.master();
  const before = await callsOf(master, 'wait');
  servers.cutReplication();
  await trail.publishAll(node.kernel, 'order.placed', 1, 100);
  expect(trail.confirmed.size).toBe(100);
  expect(await callsOf(master, 'wait')).toBe(before);
});

test('a cut replication: publishes are rejected by name, all else goes on, and when it is mended all is well', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using node = await startNode({ servers, prefix, ...DURABLE });
  await using other = await startNode({ servers, prefix });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await trail.whenComplete();

  servers.cutReplication();
  await trail.publishAll(node.kernel, 'order.placed', 11, 20);
  expect(trail.rejections).toMatchObject(Array(10).fill({ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }));
  expect(String(trail.rejections[0])).toContain('0 of 1 replicas (durability) had the event within 300 ms');
  // Nor is one that waits for its time, which is kept elsewhere.
  const delayed = { topic: 'order-events', partition: 0, payload: '{}' } as OutgoingEvent;
  const { publishAt } = node.transport.capabilities.delay;
  const publishLater = (): Promise<unknown> =>
    new Promise((resolve) => publishAt(Date.now() + 60_000, [delayed], (_, reason) => resolve(reason)));
  expect(await publishLater()).toMatchObject({ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' });
  // What others publish is read, handled and acknowledged here, while more events wait for replicas in vain.
  const publishing = trail.publishAll(node.kernel, 'order.placed', 21, 30);
  await trail.publishAll(other.kernel, 'order.placed', 31, 40);
  await trail.whenComplete();
  await new State(servers, prefix).whenSettled('order-events');
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

test('a cut replication, then the loss of the master: every confirmed event is there', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using node = await startNode({ servers, prefix, ...DURABLE });
  await using consumer = await startNode({ servers, prefix });
  await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
  const load = new Load(trail, node.kernel);
  await load.whenConfirmed(200);
  servers.cutReplication();
  await until(() => trail.rejections.length > 0, 'events are rejected');
  const old = await servers.master();
  await old.kill();
  servers.healReplication();
  await load.whenConfirmed(200);
  await load.stop();
  const stored = await new State(servers, prefix).stored('order-events');
  expect([...trail.confirmed.keys()].filter((n) => !stored.has(n))).toEqual([]);
  await trail.whenComplete(20_000);
  expect(trail.rejections).toMatchObject(
    Array(trail.rejections.length).fill({ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }),
  );
});

test('kill -9 of the master under load: 0 of the confirmed are lost', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using node = await startNode({ servers, prefix, ...DURABLE });
  const load = new Load(trail, node.kernel);
  await load.whenConfirmed(200);
  await (await servers.master()).kill();
  await load.whenConfirmed(200);
  await load.stop();
  const stored = await new State(servers, prefix).stored('order-events');
  expect([...trail.confirmed.keys()].filter((n) => !stored.has(n))).toEqual([]);
});

describe('min-replicas-to-write', () => {
  const set = async (replicas: number): Promise<void> => {
    for (const each of servers.nodes)
      await each.cli('CONFIG', 'SET', 'min-replicas-to-write', String(replicas), 'min-replicas-max-lag', '10');
  };

  test('is waited for after a failover, when the new master has no replicas yet', async () => {
    const trail = new Trail();
    await set(1);
    try {
      await using node = await startNode({
        servers,
        prefix: newPrefix(),
        failoverRecovery: { maxRetries: 15, retryDelay: 1000 },
      });
      await trail.publishAll(node.kernel, 'order.placed', 1, 10);
      await (await servers.master()).kill();
      await trail.publishAll(node.kernel, 'order.placed', 11, 50);
      expect(trail.rejections).toEqual([]);
    } finally {
      for (const each of servers.nodes) await each.start();
      await set(0);
    }
  });

  test('that lasts is named', async () => {
    const trail = new Trail();
    await using node = await startNode({
      servers,
      prefix: newPrefix(),
      commandTimeout: 1500,
      failoverRecovery: { enabled: false },
    });
    await set(3);
    try {
      expect(await trail.publish(node.kernel, 'order.placed', 1)).toBe(false);
      expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }]);
      expect(String(trail.rejections[0])).toContain('min-replicas-to-write');
    } finally {
      await set(0);
    }
    expect(await trail.publish(node.kernel, 'order.placed', 2)).toBe(true);
  });
});
