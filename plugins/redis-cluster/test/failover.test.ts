import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterNode, type RedisClusterService, redisCluster } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Load, MOST_OPEN } from './load.ts';
import { type Node, type NodeOptions, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 9;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const TYPE = 'order.placed';
const TOPIC = 'order-events';
/** Events of a test that are published before any fault. */
const QUIET = 90;

let cluster: RedisClusterService;
let state: State;
let count = 0;
/** When the test began: the one before it may have ended in a vote. */
let started = 0;
beforeAll(async () => {
  cluster = await redisCluster({ appendonly: true });
});
beforeEach(async () => {
  await cluster.ready();
  started = Date.now();
  votes.clear();
  state = new State(cluster, `failover-${++count}`);
});
afterAll(() => cluster.stop());

const start = (options: Partial<NodeOptions> = {}): Promise<Node> =>
  startNode({ clusterNodes: cluster.nodes, prefix: `failover-${count}`, partitions: PARTITIONS, ...options });

/** Two nodes that consume and one that publishes, with a load that runs. */
const scene = async (options: Partial<NodeOptions> = {}) => {
  const trail = new Trail();
  const publisher = await start(options);
  const consumers = [await start(options), await start(options)];
  for (const [index, { kernel }] of consumers.entries())
    await kernel.subscribe(TYPE, trail.handler(`consumer ${index}`), { concurrency: 5 });
  await trail.publishAll(publisher.kernel, TYPE, 1, QUIET, PARTITIONS);
  const load = new Load(publisher.kernel, trail, TYPE, ALL, QUIET + 1);
  await load.more();
  const nodes = [publisher, ...consumers];
  return {
    trail,
    load,
    publisher,
    nodes,
    /** Everything goes on and is judged. What a master confirmed in its last moments may be gone: `lossy`. */
    end: async (lossy = false): Promise<void> => {
      await load.more(10);
      await load.stop();
      if (!lossy) await trail.whenComplete();
      // What comes last has come through.
      const last = 1_000_000;
      await Promise.all(ALL.map((partition) => trail.publish(publisher.kernel, TYPE, last + partition, { partition })));
      await until(
        () => ALL.every((partition) => trail.done.includes(last + partition)),
        () => trail.check({ limit: 5 }),
      );
      await state.whenSettled(TOPIC, PARTITIONS);
      const { lost, concurrent, phantom } = trail.check();
      // After a failover that lost something another consumer may get what one still has in hands; the same one never twice.
      const handled = concurrent.examples.filter(
        ({ at = 0, with: other }) => !lossy || (trail.entries.facts[at] as { consumer?: string }).consumer === other,
      );
      const told = [...handled, ...phantom.examples].map((finding) => ({
        ...finding,
        calls: trail.calls
          .filter(({ n }) => finding.id.split(' ')[0] === String(n))
          .map(({ consumer, attempt, context }) => [consumer, attempt, context.cursor]),
      }));
      expect(told).toEqual([]);
      if (!lossy) expect(lost.count).toBe(0);
      expect(trail.rejections).toEqual([]);
      for (const node of nodes) expect(await node.problems()).toEqual([]);
    },
    [Symbol.asyncDispose]: async () => {
      await load.stop();
      await Promise.all(nodes.map(({ kernel }) => kernel.stop()));
    },
  };
};

const aMaster = (): Promise<ClusterNode> => state.owner(TOPIC, 0);

/** When the masters last voted on a shard: within two node time-outs they do not vote on it again. */
const votes = new Map<string, number>();
const VOTE_MS = 2500;

/** Has a replica take over in good order. */
const takeOver = async (master: ClusterNode): Promise<void> => {
  const [replica] = await cluster.replicasOf(master);
  if (!replica) throw new Error('It has no replica.');
  const shard = [master.id, replica.id].sort().join();
  await sleep(Math.max(0, (votes.get(shard) ?? started) + VOTE_MS - Date.now()));
  await cluster.failover(replica);
  votes.set(shard, Date.now());
};

const nobodyIsAt = (node: ClusterNode): Promise<void> =>
  until(
    async () => (await state.connections(node)).length === 0,
    async () => await state.connections(node),
  );

test('replicas take over in good order (CLUSTER FAILOVER), one after the other: nothing lost, nothing rejected', async () => {
  await using all = await scene();
  for (const master of await cluster.masters()) {
    await takeOver(master);
    await all.load.more(3);
    await nobodyIsAt(master);
    await cluster.ready();
  }
  await all.end();
});

test('kill -9 of a master: its partitions go on with the replica, the others never wait; the old one comes back as a replica', async () => {
  await using all = await scene();
  const { load, trail } = all;
  const master = await aMaster();
  const [replica] = await cluster.replicasOf(master);
  const lost = await state.partitionsOn(master, TOPIC, PARTITIONS);
  const living = ALL.filter((partition) => !lost.includes(partition));
  const before = trail.done.length;
  // Nor does it before this test lets it.
  await replica?.cli('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes');
  await master.kill();
  // More than were confirmed before it died, and not told yet.
  const affected = load.more(MOST_OPEN + 1, lost);
  let over = false;
  void affected.then(() => {
    over = true;
  });
  // All that the others confirm now, they confirm while nobody has taken over yet.
  await load.more(20, living);
  expect(over).toBe(false);
  expect(trail.done.length).toBeGreaterThan(before);
  await replica?.cli('CONFIG', 'SET', 'cluster-replica-no-failover', 'no');
  await affected;
  expect(await state.owner(TOPIC, 0)).toBe(replica);
  await until(async () => (await state.readers(replica as ClusterNode)).length >= 2 * lost.length, 'readers are there');
  await master.start();
  await cluster.ready();
  expect((await cluster.replicasOf(replica as ClusterNode)).map(({ id }) => id)).toEqual([master.id]);
  await all.end(true);
  expect(trail.check().lost.examples.filter(({ id }) => Number(id) <= QUIET)).toEqual([]);
  expect(await state.connections(master)).toEqual([]);
});

test('a master is frozen: it is left, and what it still holds when it thaws as a replica reaches nobody', async () => {
  // Who waited for it to answer would wait longer than this test.
  await using all = await scene({ commandTimeout: 60_000 });
  const master = await aMaster();
  const lost = await state.partitionsOn(master, TOPIC, PARTITIONS);
  await master.freeze();
  await until(async () => (await aMaster()).id !== master.id, 'a replica has taken over');
  const successor = await aMaster();
  await all.load.more(MOST_OPEN + 1, lost);
  // Consumers are with the successor too: what was published there is handled.
  const calls = all.trail.calls.length;
  await all.load.more(3, lost);
  await until(
    () => all.trail.calls.slice(calls).some(({ context }) => lost.includes(context.partition)),
    'are consumed',
  );
  await master.thaw();
  await cluster.ready();
  expect((await cluster.replicasOf(successor)).map(({ id }) => id)).toEqual([master.id]);
  await nobodyIsAt(master);
  await all.end(true);
  expect(all.trail.check().lost.examples.filter(({ id }) => Number(id) <= QUIET)).toEqual([]);
});

test('what is published while nobody has its slot waits for the next master', async () => {
  await using node = await start();
  const trail = new Trail();
  await node.kernel.subscribe(TYPE, trail.handler('consumer'));
  const master = await aMaster();
  await master.kill();
  await trail.publishAll(node.kernel, TYPE, 1, 50, 1);
  expect(trail.rejections).toEqual([]);
  await trail.whenComplete();
  expect(trail.check({ order: 'start' })).toMatchObject({ ok: true, published: 50 });
  await master.start();
});

test('every master is restarted in good order, one after the other', async () => {
  await using all = await scene({ commandTimeout: 5000 });
  for (const master of await cluster.masters()) {
    await master.restart();
    await cluster.ready();
    await all.load.more(3);
  }
  await all.end();
});

test('the only node that it was told of is gone for good: all goes on, also when the others change', async () => {
  const master = await aMaster();
  await using all = await scene({ clusterNodes: [master] });
  await master.kill();
  await all.load.more(3);
  // A node that nobody was told of, and that was no master then.
  const [second] = (await cluster.masters()).filter(({ id }) => id !== master.id);
  if (second) await takeOver(second);
  await all.load.more(3);
  await all.end(true);
  await master.start();
});

test('enableFailover: false: stays with the masters of the start, and comes back with them', async () => {
  await using node = await start({ enableFailover: false, failoverRecovery: { enabled: false }, commandTimeout: 1000 });
  const trail = new Trail();
  await node.kernel.subscribe(TYPE, trail.handler('consumer'));
  const master = await aMaster();
  await trail.publish(node.kernel, TYPE, 1);
  await trail.whenComplete();
  await takeOver(master);
  expect(await trail.publish(node.kernel, TYPE, 2)).toBe(false);
  expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_UNAVAILABLE' }]);
  expect((await node.problems()).length).toBeGreaterThan(0);
  await cluster.ready();
  await takeOver(await aMaster());
  expect(await aMaster()).toBe(master);
  await until(() => trail.publish(node.kernel, TYPE, 3), 'published again');
  await until(() => trail.done.includes(3), 'and consumed');
  await until(async () => (await node.problems()).length === 0, node.problems);
});

test('a failover while a node starts, while one stops, and while a batch is on its way', async () => {
  await using node = await start();
  const trail = new Trail();
  await node.kernel.subscribe(
    TYPE,
    trail.handler('consumer', () => sleep(1)),
    { concurrency: 20 },
  );
  const masters = await cluster.masters();
  for (const [index, moment] of (['starts', 'stops', 'publishes'] as const).entries()) {
    const taking = takeOver(masters[index] as ClusterNode);
    if (index === 0) await sleep(VOTE_MS - (Date.now() - started));
    const from = trail.confirmed + 1;
    if (moment === 'publishes') await trail.publishAll(node.kernel, TYPE, from, from + 2000, PARTITIONS);
    else {
      await using other = await start({ service: 'other' });
      await other.kernel.subscribe(TYPE, () => {}, { group: 'shop' });
      if (moment === 'stops') expect((await other.kernel.stop()).unpublished).toBe(0);
    }
    await taking;
    await cluster.ready();
  }
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
  expect(trail.check()).toMatchObject({ ok: true, concurrent: { count: 0 } });
});
