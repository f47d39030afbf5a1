import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisClusterService, redisCluster } from '@logistically/events-conformance/services';
import { EventsError } from '@logistically/events-kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Node, type NodeOptions, SHORT, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail, type Work } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 12;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const TYPE = 'order.placed';
const TOPIC = 'order-events';

let cluster: RedisClusterService;
let state: State;
let count = 0;
beforeAll(async () => {
  // Nobody is to be replaced because a busy machine held it up.
  cluster = await redisCluster({ nodeTimeoutMs: 10_000 });
});
afterAll(() => cluster.stop());

const start = (options: Partial<NodeOptions> = {}): Promise<Node> => {
  const prefix = `seats-${++count}`;
  state = new State(cluster, prefix);
  return startNode({ clusterNodes: cluster.nodes, prefix, partitions: PARTITIONS, redeliverMs: 20, ...options });
};

/** What the consumers of the group have in their hands, over all partitions: pending, and not waiting for its next attempt. */
const held = async (): Promise<number> => {
  const counts = ALL.map(async (partition) => {
    const owner = await state.owner(TOPIC, partition);
    const reply = (await owner.cli('XPENDING', state.stream(TOPIC, partition), 'shop')) as unknown[];
    const consumers = (reply[3] ?? []) as [name: string, count: string][];
    return consumers
      .filter(([name]) => name !== 'dead' && !name.startsWith('~'))
      .reduce((sum, [, of]) => sum + Number(of), 0);
  });
  return (await Promise.all(counts)).reduce((sum, each) => sum + each, 0);
};

/** Leaves deliveries of a dead consumer in every partition. */
const leaveDead = async (node: Node, trail: Trail, perPartition: number): Promise<void> => {
  for (const partition of ALL) {
    const owner = await state.owner(TOPIC, partition);
    await owner.cli('XGROUP', 'CREATE', state.stream(TOPIC, partition), 'shop', '0', 'MKSTREAM');
  }
  await trail.publishAll(node.kernel, TYPE, 1, perPartition * PARTITIONS, PARTITIONS);
  for (const partition of ALL) {
    const owner = await state.owner(TOPIC, partition);
    await owner.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', state.stream(TOPIC, partition), '>');
  }
  const [owner, stream] = [await state.owner(TOPIC, PARTITIONS - 1), state.stream(TOPIC, PARTITIONS - 1)];
  const idle = ['IDLE', String(SHORT.leaseMs), '-', '+', '1'];
  await until(
    async () => ((await owner.cli('XPENDING', stream, 'shop', ...idle)) as unknown[]).length > 0,
    'their leases are over',
  );
};

/** Counts the handlers that are busy at the same time. */
const busy = (work: Work): { readonly work: Work; readonly most: () => number; readonly mean: () => number } => {
  const seen: number[] = [];
  let now = 0;
  return {
    work: async (...call) => {
      seen.push(++now);
      try {
        await work(...call);
      } finally {
        now--;
      }
    },
    most: () => Math.max(...seen),
    mean: () => seen.reduce((sum, each) => sum + each, 0) / seen.length,
  };
};

test.each([1, 3, 20])(
  '%i seats over twelve partitions on all nodes: never more in hands, with failures and what a dead one left',
  async (seats) => {
    await using node = await start();
    const trail = new Trail();
    await leaveDead(node, trail, 4);
    const watched = busy(async (n, { attempt }) => {
      await sleep(2);
      if (n % 5 === 0 && attempt < 4) throw new Error('fails at first');
    });
    await node.kernel.subscribe(TYPE, trail.handler('consumer', watched.work), { concurrency: seats });
    await trail.publishAll(node.kernel, TYPE, 1001, 1120, PARTITIONS);
    await trail.whenComplete();
    expect(watched.most()).toBeLessThanOrEqual(seats);
    expect(trail.check()).toMatchObject({
      ok: true,
      published: 168,
      duplicated: { count: 0 },
      concurrent: { count: 0 },
    });
    await state.whenSettled(TOPIC, PARTITIONS);
  },
);

test.each([1, 5])(
  '%i seats that are all taken: exactly so many are in hands, whatever waits, fails, or was left by a dead one',
  async (seats) => {
    await using node = await start();
    const trail = new Trail();
    await leaveDead(node, trail, 2);
    const waiting: (() => void)[] = [];
    let open = false;
    await node.kernel.subscribe(
      TYPE,
      trail.handler('consumer', async (n, { attempt }) => {
        if (!open) await new Promise<void>((resolve) => waiting.push(resolve));
        if (n % 3 === 0 && attempt < 4) throw new Error('fails at first');
      }),
      { concurrency: seats },
    );
    await trail.publishAll(node.kernel, TYPE, 1001, 1048, PARTITIONS);
    for (let released = 0; released < 30; released++) {
      await until(() => trail.calls.length === released + seats, 'the next one is handled');
      await until(async () => (await held()) === seats, 'what is done is acknowledged');
      expect(trail.calls).toHaveLength(released + seats);
      waiting.shift()?.();
    }
    open = true;
    for (const go of waiting.splice(0)) go();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
  },
);

test('what a dead one left comes as soon as the only seat is free, in every partition', async () => {
  // Who found no seat at first, and waited for the next look, would wait for longer than this test.
  await using node = await start({ claimIntervalMs: 60_000 });
  const trail = new Trail();
  await leaveDead(node, trail, 2);
  await node.kernel.subscribe(TYPE, trail.handler('consumer'));
  await trail.whenComplete();
  expect(trail.check()).toMatchObject({ ok: true, published: 2 * PARTITIONS, duplicated: { count: 0 } });
});

test('what is due comes as fast as seats are free: nothing waits for the end of a read', async () => {
  // Longer than this test may take: who waited for them would wait for ever.
  await using node = await start({ blockMs: 60_000, claimIntervalMs: 60_000 });
  const trail = new Trail();
  let failing = true;
  await node.kernel.subscribe(
    TYPE,
    trail.handler('consumer', () => {
      if (failing) throw new EventsError('EVENTS_TEST', 'fails at first', { retryAfterMs: 300 });
    }),
    { concurrency: 4 },
  );
  await trail.publishAll(node.kernel, TYPE, 1, 20 * PARTITIONS, PARTITIONS);
  await until(() => new Set(trail.calls.map(({ n }) => n)).size === 20 * PARTITIONS, 'all have failed');
  failing = false;
  await trail.whenComplete();
  expect(trail.check()).toMatchObject({ ok: true, published: 20 * PARTITIONS, duplicated: { count: 0 } });
});

test('one seat and a backlog in every partition: each has its turn, and keeps its order', async () => {
  await using node = await start();
  const trail = new Trail();
  await trail.publishAll(node.kernel, TYPE, 1, 20 * PARTITIONS, PARTITIONS);
  await node.kernel.subscribe(TYPE, trail.handler('consumer'), { from: 'earliest' });
  await trail.whenComplete();
  const seen = new Map<number, number>();
  for (const { context } of trail.calls) {
    seen.set(context.partition, (seen.get(context.partition) ?? 0) + 1);
    // The first that is through has left none of the others behind.
    if (seen.get(context.partition) === 20) break;
  }
  expect([...seen.keys()].sort((a, b) => a - b)).toEqual(ALL);
  expect(Math.min(...seen.values())).toBeGreaterThanOrEqual(5);
  expect(trail.check({ order: 'completion' })).toMatchObject({ ok: true, duplicated: { count: 0 } });
});

test('one partition that never runs dry leaves the others their turn', async () => {
  await using node = await start();
  const trail = new Trail();
  await node.kernel.subscribe(
    TYPE,
    trail.handler('consumer', () => sleep(1)),
  );
  await Promise.all(Array.from({ length: 2000 }, (_, n) => trail.publish(node.kernel, TYPE, n, { partition: 0 })));
  const done = trail.done.length;
  for (const partition of ALL.slice(1)) await trail.publish(node.kernel, TYPE, 10_000 + partition, { partition });
  await until(() => ALL.slice(1).every((partition) => trail.done.includes(10_000 + partition)), 'all have had it');
  expect(trail.done.length).toBeLessThan(2011);
  expect(done).toBeLessThan(1500);
});

test('one hot partition has most of the seats, and keeps them busy', async () => {
  const seats = 48;
  const run = async (partitionOf: (n: number) => number): Promise<{ most: number; mean: number }> => {
    await using node = await start();
    const trail = new Trail();
    const watched = busy(() => sleep(5));
    await node.kernel.subscribe(TYPE, trail.handler('consumer', watched.work), { concurrency: seats });
    const numbers = Array.from({ length: 3000 }, (_, n) => n);
    await Promise.all(numbers.map((n) => trail.publish(node.kernel, TYPE, n, { partition: partitionOf(n) })));
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
    return { most: watched.most(), mean: watched.mean() };
  };
  const hot = await run(() => 7);
  const even = await run((n) => n % PARTITIONS);
  expect(even.most).toBeGreaterThan(seats / 2);
  expect(hot.most).toBeGreaterThanOrEqual(seats / 2);
  expect(hot.most).toBeLessThanOrEqual(seats);
  expect(hot.mean).toBeGreaterThan(even.mean / 2);
});
