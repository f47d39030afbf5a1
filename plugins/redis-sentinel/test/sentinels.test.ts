import { type RedisSentinelService, redis, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Address } from '../src/index.ts';
import { FakeSentinel } from './fake-sentinel.ts';
import { createNode, startNode } from './node.ts';
import { quietProxy } from './quiet-proxy.ts';
import { connectionsOf } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ gossipMs: 200, downAfterMs: 500 });
});
beforeEach(async () => {
  for (const node of [...servers.nodes, ...servers.sentinels]) {
    await node.thaw();
    await node.start();
  }
  await servers.ready();
});
afterAll(() => servers.stop());

let count = 0;
const newPrefix = (): string => `sentinels-${++count}`;
const keyOf = ({ host, port }: Address): string => `${host}:${port}`;

/** Waits until one client is connected to a server and none to the others. */
const whenAt = async (port: number): Promise<void> => {
  for (const node of servers.nodes)
    await until(
      async () => (await connectionsOf(node)).length === (node.port === port ? 1 : 0),
      () => `one client is at ${port}, which is ${keyOf(node)}`,
    );
};

test('one that is dead and one that is frozen are not waited for', async () => {
  const [first, second] = servers.sentinels;
  await first?.kill();
  await second?.freeze();
  // Less than a connection to the frozen one may take.
  await using node = await startNode({ servers, prefix: newPrefix(), connectionTimeout: 60_000 });
  expect(await node.kernel.publish('order.placed', {})).toBeDefined();
  expect(await node.kernel.health()).toEqual({ healthy: true, problems: [] });
});

test('one that freezes while a failover is followed holds up nothing', async () => {
  await using node = await startNode({ servers, prefix: newPrefix() });
  await servers.sentinels[0]?.freeze();
  const old = await servers.master();
  await old.kill();
  expect(await new Trail().publish(node.kernel, 'order.placed', 1)).toBe(true);
  expect(await connectionsOf(await servers.master())).toEqual(['events-commands']);
});

test('all that were told may go: those that they named are asked', async () => {
  const [told, ...others] = servers.sentinels;
  await using node = await startNode({ servers: { sentinels: [told as Address] }, prefix: newPrefix() });
  for (const other of others)
    await until(
      async () => (await connectionsOf(other)).filter((name) => name === 'events-sentinel').length === 2,
      'the others are found',
    );
  await told?.kill();
  await (await servers.master()).kill();
  expect(await new Trail().publish(node.kernel, 'order.placed', 1)).toBe(true);
});

test('all may be gone for a while: work goes on, and a later failover is followed', async () => {
  const trail = new Trail();
  await using node = await startNode({ servers, prefix: newPrefix() });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await Promise.all(servers.sentinels.map((sentinel) => sentinel.kill()));
  await trail.publishAll(node.kernel, 'order.placed', 1, 50);
  await trail.whenComplete();
  expect(node.hears('disconnected')).toEqual([]);
  await Promise.all(servers.sentinels.map((sentinel) => sentinel.start()));
  await servers.ready();
  await (await servers.master()).kill();
  await trail.publishAll(node.kernel, 'order.placed', 51, 100);
  await trail.whenComplete();
  expect(trail.check()).toMatchObject({ ok: true, published: 100 });
});

test('one that was cut off from the others and tells what was true before is not believed', async () => {
  const old = await servers.master();
  await using liar = await FakeSentinel.start({ host: old.host, port: old.port });
  liar.epoch = 0;
  await servers.failover();
  await servers.ready();
  const master = await servers.master();
  await using node = await startNode({
    servers: { sentinels: [liar, ...servers.sentinels] },
    prefix: newPrefix(),
  });
  await whenAt(master.port);
  const { asked } = liar;
  await until(() => liar.asked > asked + 2, 'it was asked again');
  expect(await connectionsOf(master)).toEqual(['events-commands']);
  expect(node.hears('disconnected')).toEqual([]);
});

test('sentinels that were set up anew are believed when most of them agree, whoever else was told of', async () => {
  await using one = await redis({ exclusive: true });
  await using two = await redis({ exclusive: true });
  const at = ({ host, port }: Address): Address => ({ host, port });
  await using first = await FakeSentinel.start(at(one));
  await using second = await FakeSentinel.start(at(one));
  await using third = await FakeSentinel.start(at(one));
  const living = [first, second, third];
  for (const sentinel of living) sentinel.epoch = 7;
  const dead = [1, 2, 3, 4].map((port) => ({ host: '127.0.0.1', port }));
  await using node = await startNode({ servers: { sentinels: [...living, ...dead] }, prefix: newPrefix() });
  await node.kernel.publish('order.placed', { n: 1 });
  const set = (sentinel: FakeSentinel): void => {
    sentinel.epoch = 0;
    sentinel.master = at(two);
  };
  // One alone may have been cut off, or started with an old file.
  set(first);
  const { asked } = first;
  await until(() => first.asked > asked + 2, 'it was asked again');
  expect(await connectionsOf(two)).toEqual([]);
  set(second);
  set(third);
  await until(async () => (await connectionsOf(two)).length === 1, 'the new master is followed');
  await node.kernel.publish('order.placed', { n: 2 });
});

test('one that names a replica, in a later epoch than all others, holds up nobody for long', async () => {
  const master = await servers.master();
  const [replica] = await servers.replicas();
  await using liar = await FakeSentinel.start({ host: replica?.host as string, port: replica?.port as number });
  liar.epoch = 999_999;
  await using node = await startNode({ servers: { sentinels: [liar, ...servers.sentinels] }, prefix: newPrefix() });
  const askedAgain = (): Promise<void> => {
    const { asked } = liar;
    return until(() => liar.asked > asked + 4, 'it was asked again and again');
  };
  const left = (): number => node.hears('disconnected').length;
  // It is followed for a while at most, and then never again.
  await until(async () => {
    const before = left();
    await askedAgain();
    await askedAgain();
    return left() === before && (await connectionsOf(master)).length === 1;
  }, 'the master is stayed with');
  await node.kernel.publish('order.placed', {});
});

test('a start follows it no longer than a start may take', async () => {
  const [master, [replica]] = await Promise.all([servers.master(), servers.replicas()]);
  await using liar = await FakeSentinel.start({ host: replica?.host as string, port: replica?.port as number });
  await using second = await FakeSentinel.start({ host: master.host, port: master.port });
  await using third = await FakeSentinel.start({ host: master.host, port: master.port });
  liar.epoch = 999_999;
  const sentinels = { sentinels: [liar, second, third] };
  await using node = createNode({ servers: sentinels, prefix: newPrefix(), commandTimeout: 3000 });
  // The others are heard of later: it is the liar who is followed first.
  const { master: known } = second;
  for (const each of [second, third]) each.master = liar.master;
  const starting = node.kernel.start();
  await until(() => liar.asked > 0, 'it was asked');
  for (const each of [second, third]) each.master = known;
  await starting;
  expect(await node.kernel.publish('order.placed', {})).toBeDefined();
});

test('without any sentinel a connection that breaks is made again, and others subscribe', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using node = await startNode({ servers, prefix });
  const master = await servers.master();
  await Promise.all(servers.sentinels.map((sentinel) => sentinel.kill()));
  await master.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 10);
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
});

test('a replica that is named as the master is not worked with', async () => {
  const master = await servers.master();
  const [replica] = await servers.replicas();
  await using liar = await FakeSentinel.start({ host: replica?.host as string, port: replica?.port as number });
  await using node = createNode({ servers: { sentinels: [liar] }, prefix: newPrefix(), commandTimeout: 15_000 });
  let started = false;
  const starting = node.kernel.start().then(() => {
    started = true;
  });
  await until(() => liar.asked > 5, 'it was asked again and again');
  expect(started).toBe(false);
  liar.master = { host: master.host, port: master.port };
  liar.epoch++;
  await starting;
  await whenAt(master.port);
  await node.kernel.publish('order.placed', {});
});

test('a new master is followed the moment that it is announced', async () => {
  await using one = await redis({ exclusive: true });
  await using two = await redis({ exclusive: true });
  await using sentinel = await FakeSentinel.start({ host: one.host, port: one.port });
  await using node = await startNode({ servers: { sentinels: [sentinel] }, prefix: newPrefix() });
  const questions: number[] = [];
  let asked = 0;
  node.kernel.on('disconnected', () => questions.push(sentinel.asked - asked));
  for (const next of [two, one, two, one, two]) {
    ({ asked } = sentinel);
    sentinel.announce({ host: next.host, port: next.port });
    await until(async () => (await connectionsOf(next)).length === 1, 'it is followed');
  }
  // Who finds out by asking has asked before it leaves; now and then that may have been a question of every day.
  expect(Math.min(...questions)).toBe(0);
  expect(node.hears('disconnected')).toHaveLength(5);
});

test('a new master whose announcement got lost is found by asking', async () => {
  const ways = await Promise.all(servers.sentinels.map((each) => quietProxy(each)));
  onTestFinished(async () => {
    for (const way of ways) await way[Symbol.asyncDispose]();
  });
  const natMap = Object.fromEntries(servers.sentinels.map((each, i) => [keyOf(each), ways[i] as Address]));
  // Nothing else makes it leave a frozen server.
  await using node = await startNode({
    servers: { sentinels: ways },
    prefix: newPrefix(),
    natMap,
    commandTimeout: 120_000,
  });
  const old = await servers.master();
  await old.freeze();
  try {
    expect(await new Trail().publish(node.kernel, 'order.placed', 1)).toBe(true);
  } finally {
    await old.thaw();
  }
});

test('without failover the first master is the only one', async () => {
  const trail = new Trail();
  const first = await servers.master();
  await using node = await startNode({
    servers,
    prefix: newPrefix(),
    enableFailover: false,
    commandTimeout: 500,
    failoverRecovery: { enabled: false },
  });
  expect(await trail.publish(node.kernel, 'order.placed', 1)).toBe(true);
  await servers.failover();
  await servers.ready();
  expect(await trail.publish(node.kernel, 'order.placed', 2)).toBe(false);
  expect((await node.kernel.health()).healthy).toBe(false);
  for (const each of servers.nodes) if (each !== first) expect(await connectionsOf(each)).toEqual([]);
  for (let i = 0; i < 5 && (await servers.master()) !== first; i++) {
    await servers.failover();
    await servers.ready();
  }
  expect(await servers.master()).toBe(first);
  await until(() => trail.publish(node.kernel, 'order.placed', 3), 'it is the master again, and takes events');
});
