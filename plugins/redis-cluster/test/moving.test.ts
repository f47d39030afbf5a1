import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { type ClusterNode, type RedisClusterService, redisCluster } from '@logistically/events-conformance/services';
import { dlq } from '@logistically/events-dlq';
import { retry } from '@logistically/events-retry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { later } from './later.ts';
import { Load } from './load.ts';
import { createNode, type Node, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
/** How long a slot stays half-way: longer than a command may take, and a blocking read. */
const HALF_WAY_MS = 3000;

let cluster: RedisClusterService;
let state: State;
beforeAll(async () => {
  // Nobody is to be replaced because a busy machine held it up.
  cluster = await redisCluster({ nodeTimeoutMs: 10_000 });
  state = new State(cluster);
});
afterAll(() => cluster.stop());

let count = 0;
/** Slots of its own for each test: one that is left half-way is in nobody's way. */
const newType = (): { readonly type: string; readonly topic: string } => {
  const entity = `order${++count}`;
  return { type: `${entity}.placed`, topic: `${entity}-events` };
};

/** A master that does not have the slot of a partition. */
const other = async (topic: string, partition = 0): Promise<ClusterNode> => {
  const { id } = await state.owner(topic, partition);
  const found = (await cluster.masters()).find((master) => master.id !== id);
  if (!found) throw new Error('There is one master only.');
  return found;
};

/** The numbers of the events of a partition, in the order of the log. */
const logged = async (node: Node, topic: string, partition: number): Promise<number[]> => {
  const numbers: number[] = [];
  for (let from = 'earliest'; ; ) {
    const entries = await node.transport.capabilities.log.read(topic, { partition, from, limit: 1000 });
    numbers.push(...entries.map(({ payload }) => (JSON.parse(String(payload)) as { body: { n: number } }).body.n));
    const last = entries.at(-1)?.cursor;
    if (last === undefined) return numbers;
    from = last;
  }
};

const inOrder = (numbers: readonly number[]): boolean =>
  numbers.every((n, index) => index === 0 || n > (numbers[index - 1] as number));

test('slots with live streams go round all masters under load: nothing lost, nothing rejected, the order of each partition kept', async () => {
  const { type, topic } = newType();
  const trail = new Trail(['shop', 'other']);
  await using publisher = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  await using consumer = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  for (const group of ['shop', 'other'])
    await consumer.kernel.subscribe(type, trail.handler(group), { group, concurrency: 1 });
  const load = new Load(publisher.kernel, trail, type, ALL);
  await load.more();
  for (let round = 0; round < 4; round++)
    for (const partition of ALL) {
      await cluster.moveSlot(state.slot(topic, partition), await other(topic, partition));
      await load.more(2, [partition]);
    }
  await load.more();
  await load.stop();
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
  expect(trail.check({ order: 'start' })).toMatchObject({
    ok: true,
    concurrent: { count: 0 },
    reordered: { count: 0 },
  });
  for (const partition of ALL) expect(inOrder(await logged(publisher, topic, partition))).toBe(true);
  await state.whenSettled(topic, PARTITIONS);
  expect(await consumer.problems()).toEqual([]);
  expect(await publisher.problems()).toEqual([]);
  expect([...consumer.hears('error'), ...publisher.hears('error'), ...consumer.hears('disconnected')]).toEqual([]);
});

test('what is on its way when a slot moves is stored in the order of publishing, however much that is', async () => {
  const { type, topic } = newType();
  const trail = new Trail();
  await using node = await startNode({ clusterNodes: cluster.nodes });
  const open = new Set<Promise<boolean>>();
  let moving = true;
  let n = 0;
  const publishing = (async () => {
    while (moving) {
      // In turns of their own: each a round trip of its own, many at a time.
      for (let i = 0; i < 10; i++) {
        const sent = trail.publish(node.kernel, type, ++n).finally(() => open.delete(sent));
        open.add(sent);
        await immediate();
      }
      if (open.size > 300) await Promise.race(open);
    }
    await Promise.all(open);
  })();
  await until(() => trail.confirmed > 0, 'events flow');
  for (let round = 0; round < 8; round++) {
    const before = trail.confirmed;
    await cluster.moveSlot(state.slot(topic), await other(topic));
    await until(() => trail.confirmed > before, 'events flow on');
  }
  moving = false;
  await publishing;
  expect(trail.rejections).toEqual([]);
  const numbers = await logged(node, topic, 0);
  expect(numbers).toEqual(Array.from({ length: n }, (_, index) => index + 1));
});

test.each([
  ['its keys moved and the slot not closed', true],
  ['the slot opened and its keys not moved', false],
])('a slot that stays half-way, %s: publishing and consuming go on', async (_, moves) => {
  const { type, topic } = newType();
  const trail = new Trail();
  await using node = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  await node.kernel.subscribe(
    type,
    trail.handler('consumer', (n, { attempt }) => {
      if (n % 7 === 0 && attempt === 1) throw new Error('fails at first');
    }),
    { concurrency: 4 },
  );
  const load = new Load(node.kernel, trail, type, ALL);
  await load.more();
  const to = await other(topic);
  await cluster.openSlot(state.slot(topic), to);
  if (moves) await cluster.migrateKeys(state.slot(topic));
  const confirmed = load.confirmed[0] as number;
  const done = trail.done.length;
  await sleep(HALF_WAY_MS);
  await load.more(20);
  expect(load.confirmed[0]).toBeGreaterThan(confirmed + 20);
  await until(() => trail.done.length > done + 20, 'goes on with consuming');
  expect(await node.problems()).toEqual([]);
  // What comes to the slot that moves comes out again, before it is closed.
  const before = trail.calls.length;
  await load.more(5, [0]);
  await until(() => trail.calls.slice(before).some(({ context }) => context.partition === 0), 'of the moving one too');
  await cluster.migrateKeys(state.slot(topic));
  await cluster.closeSlot(state.slot(topic), to);
  await load.more();
  await load.stop();
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
  expect(trail.check()).toMatchObject({ ok: true, concurrent: { count: 0 } });
  await state.whenSettled(topic, PARTITIONS);
  expect(await node.problems()).toEqual([]);
});

test('half of the keys here, half there: what needs both waits, and is done once they have moved', async () => {
  const { type, topic } = newType();
  const trail = new Trail();
  await using node = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  // What fails is kept in a second key; looking for what is due reads both.
  await node.kernel.subscribe(
    type,
    trail.handler('consumer', (_, { attempt }) => {
      if (attempt < 3) throw new Error('fails at first');
    }),
    { concurrency: 10 },
  );
  const slot = state.slot(topic);
  const from = await state.owner(topic);
  await trail.publishAll(node.kernel, type, 1, 20);
  await until(async () => Number(await from.cli('CLUSTER', 'COUNTKEYSINSLOT', String(slot))) >= 2, 'two keys');
  const to = await other(topic);
  await cluster.openSlot(slot, to);
  expect(await cluster.migrateKeys(slot, 1)).toBe(1);
  await trail.publishAll(node.kernel, type, 21, 40);
  await sleep(1000);
  await cluster.migrateKeys(slot);
  await cluster.closeSlot(slot, to);
  await trail.publishAll(node.kernel, type, 41, 60);
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
  expect(trail.check()).toMatchObject({ ok: true, published: 60, concurrent: { count: 0 } });
  expect(Math.min(...[1, 30, 50].map((n) => trail.calls.filter((call) => call.n === n).length))).toBe(3);
  await state.whenSettled(topic);
  expect(await node.problems()).toEqual([]);
});

test('a redirection is followed at once, also by readers', async () => {
  const { type, topic } = newType();
  const trail = new Trail();
  // A read blocks for a minute: only who is told finds the new node.
  await using node = await startNode({ clusterNodes: cluster.nodes, blockMs: 60_000 });
  await node.kernel.subscribe(type, trail.handler('consumer'));
  await trail.publish(node.kernel, type, 1);
  await trail.whenComplete();
  const from = await state.owner(topic);
  const to = await other(topic);
  const before = (await state.readers(to)).length;
  await cluster.moveSlot(state.slot(topic), to);
  await trail.publish(node.kernel, type, 2);
  await trail.whenComplete(3000);
  expect(await state.readers(to)).toHaveLength(before + 1);
  expect(await state.readers(from)).toEqual([]);
  expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
});

test('store, log, inspect, delay and dead letters work on slots that move', async () => {
  const { type, topic } = newType();
  const node = createNode({ clusterNodes: cluster.nodes });
  const { store, log, inspect, delay } = node.transport.capabilities;
  const delayed = type.replace('placed', 'later');
  const kernel = node.kernel
    .use(retry({ maxAttempts: 2, baseDelayMs: 1 }))
    .use(dlq())
    .use(later(delay, delayed));
  const trail = new Trail();
  await kernel.start();
  try {
    await kernel.subscribe(
      type.replace('placed', '*'),
      trail.handler('consumer', (n) => {
        if (n < 0) throw new Error('fails for ever');
      }),
      { concurrency: 3 },
    );
    const key = `counter-${topic}`;
    let sum = 0;
    let published = 0;
    let dead = 0;
    /** Everything once, and what must be true of it wherever the keys are. */
    const all = async (): Promise<void> => {
      expect(await store.increment(key)).toBe(++sum);
      await trail.publish(kernel, delayed, ++published);
      for (let i = 0; i < 4; i++) await trail.publish(kernel, type, ++published);
      await kernel.publish(type, { n: -++dead });
      // Nobody says that something is not there that is only elsewhere.
      expect((await log.read(topic, { limit: 1000 })).length).toBeGreaterThanOrEqual(5 * dead - dead);
      const { partitions } = await inspect.topic(topic);
      expect(partitions[0]).toMatchObject({ groups: [{ group: 'shop' }] });
      expect(partitions[0]?.length).toBeGreaterThanOrEqual(5 * dead - dead);
    };
    const move = async (slot: number): Promise<void> => {
      const { id } = await cluster.slotOwner(slot);
      const to = (await cluster.masters()).find((master) => master.id !== id) as ClusterNode;
      await cluster.openSlot(slot, to);
      await all();
      await cluster.migrateKeys(slot);
      await all();
      await cluster.closeSlot(slot, to);
      await all();
      await trail.whenComplete();
      await until(async () => (await kernel.dlq.list({ topic })).letters.length === dead, 'all dead letters are there');
    };
    await all();
    for (let round = 0; round < 2; round++) {
      await move(state.slot(topic));
      await move(cluster.slotOf(`events|store:{"${key}"}`));
    }
    expect(await kernel.dlq.redrive({ topic })).toMatchObject({ redriven: dead });
    expect(trail.rejections).toEqual([]);
    expect(trail.check()).toMatchObject({ lost: { count: 0 }, concurrent: { count: 0 } });
    expect(await node.problems()).toEqual([]);
  } finally {
    await kernel.stop();
  }
});

test('a lease is kept while its slot moves; one that is new waits for it, and fails by its deadline where that takes too long', async () => {
  const { topic: key } = newType();
  await using node = await startNode({ clusterNodes: cluster.nodes });
  const { store } = node.transport.capabilities;
  const slot = cluster.slotOf(`events|store:{"${key}"}`);
  const { id } = await cluster.slotOwner(slot);
  const to = (await cluster.masters()).find((master) => master.id !== id) as ClusterNode;
  const lease = await store.lease(key, 60_000);
  await cluster.openSlot(slot, to);
  expect(await lease?.renew()).toBe(true);
  expect(await store.lease(key, 60_000)).toBeUndefined();
  await cluster.migrateKeys(slot);
  expect(await lease?.renew()).toBe(true);
  expect(await store.lease(key, 60_000)).toBeUndefined();
  await lease?.release();
  // Of its two keys one is there and one is not: where that is to be seen nobody can tell yet.
  await expect(store.lease(key, 60_000)).rejects.toMatchObject({ code: 'EVENTS_REDIS_STREAMS_UNAVAILABLE' });
  await cluster.closeSlot(slot, to);
  const next = await store.lease(key, 60_000);
  expect(next?.token).toBeGreaterThan(lease?.token ?? 0);
});
