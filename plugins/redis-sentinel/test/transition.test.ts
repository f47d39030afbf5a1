import { type RedisSentinelService, redisSentinel } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createNode, startNode } from './node.ts';
import { connectionsOf, State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ appendonly: true, gossipMs: 200, downAfterMs: 500 });
});
beforeEach(async () => {
  for (const node of servers.nodes) await node.start();
  await servers.ready();
});
afterAll(() => servers.stop());

let count = 0;
const newPrefix = (): string => `transition-${++count}`;

test('a kernel that starts while there is no master is started by the next one', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  const old = await servers.master();
  await using node = createNode({ servers, prefix, commandTimeout: 15_000 });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await old.kill();
  await node.kernel.start();
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await trail.whenComplete();
  expect(trail.check()).toMatchObject({ ok: true, published: 10 });
  const master = await servers.master();
  expect(master.port).not.toBe(old.port);
  expect(await connectionsOf(master)).toEqual(['events-commands', 'events-reader']);
});

test('a kernel that stops while there is no master publishes to the next one what was given to it before', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  const node = await startNode({ servers, prefix });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await trail.whenComplete();
  await (await servers.master()).kill();
  const publishing = trail.publishAll(node.kernel, 'order.placed', 11, 500);
  // Time for more than one vote.
  expect(await node.kernel.stop(40_000)).toMatchObject({ unpublished: 0 });
  await publishing;
  expect(trail.rejections).toEqual([]);
  const stored = await new State(servers, prefix).stored('order-events');
  expect([...trail.confirmed.keys()].filter((n) => n > 10 && !stored.has(n))).toEqual([]);
  const master = await servers.master();
  await until(async () => (await connectionsOf(master)).length === 0, 'its connections are closed');
});

test('a kernel that stops with no master in sight stops by its deadline, and says what it could not publish', async () => {
  const node = await startNode({ servers, prefix: newPrefix(), failoverRecovery: { maxRetries: 100 } });
  await Promise.all(servers.nodes.map((each) => each.kill()));
  const publishing = node.kernel.publish('order.placed', { n: 1 }).catch((reason: unknown) => reason);
  expect(await node.kernel.stop(500)).toEqual({ unsettled: 0, unpublished: 1 });
  expect(isEventsError(await publishing)).toBe(true);
});

test('a batch that is on its way is confirmed by the next master, in its order', async () => {
  const prefix = newPrefix();
  const state = new State(servers, prefix);
  const trail = new Trail();
  await using node = await startNode({ servers, prefix });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await trail.whenComplete();
  const publishing = trail.publishAll(node.kernel, 'order.placed', 11, 5000);
  await until(() => trail.confirmed.size > 500, 'some are confirmed and most are not');
  const killing = (await servers.master()).kill();
  const before = new Set(trail.confirmed.keys());
  await killing;
  expect(before.size).toBeLessThan(4000);
  await publishing;
  expect(trail.rejections).toEqual([]);
  const stored = await state.stored('order-events');
  const lost = [...trail.confirmed.keys()].filter((n) => !stored.has(n));
  // What the old master confirmed last, at most.
  expect(lost.filter((n) => n > Math.max(...before) + 2000)).toEqual([]);
  await until(
    () => trail.missing.every((n) => !stored.has(n)),
    () => trail.check({ limit: 3 }),
    20_000,
  );
  expect(trail.check({ order: 'start' })).toMatchObject({ reordered: { count: 0 }, concurrent: { count: 0 } });
});

test('without failover recovery what finds no master is rejected by its deadline', async () => {
  const trail = new Trail();
  await using node = await startNode({
    servers,
    prefix: newPrefix(),
    commandTimeout: 300,
    failoverRecovery: { enabled: false },
  });
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await (await servers.master()).kill();
  await trail.publishAll(node.kernel, 'order.placed', 11, 20);
  expect(trail.rejections).toMatchObject(Array(10).fill({ code: 'EVENTS_REDIS_STREAMS_TIMEOUT' }));
  // And when there is one again, all is as before.
  await until(() => trail.publish(node.kernel, 'order.placed', 21), 'the new master takes events');
});
