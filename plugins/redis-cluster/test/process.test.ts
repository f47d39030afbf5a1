import { type RedisClusterService, redisCluster, spawnWorker } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 9;

let cluster: RedisClusterService;
let state: State;
beforeAll(async () => {
  // Nobody is to be replaced because a busy machine held it up.
  cluster = await redisCluster({ nodeTimeoutMs: 10_000 });
  state = new State(cluster);
});
afterAll(() => cluster.stop());

const connections = async (): Promise<string[]> =>
  (await Promise.all(cluster.nodes.map((node) => state.connections(node)))).flat().map(({ name }) => name);

test('connections are bounded: one for commands to each master, one to read for each slot, group and concurrency', async () => {
  const trail = new Trail();
  const node = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  const count = async (): Promise<Record<string, number>> => {
    const names = await connections();
    return Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((each) => each === name).length]));
  };
  await until(async () => (await connections()).length === 3, 'replicas are let go of');
  expect(await count()).toEqual({ 'events-commands': 3 });
  for (let i = 0; i < 20; i++) await node.kernel.subscribe('order.*', trail.handler(`${i}`));
  expect(await count()).toEqual({ 'events-commands': 3, 'events-reader': PARTITIONS });
  const other = await node.kernel.subscribe('order.*', trail.handler('other'), { group: 'other' });
  expect(await count()).toEqual({ 'events-commands': 3, 'events-reader': 2 * PARTITIONS });
  // A topic that is new has its slots.
  await node.kernel.subscribe('bill.*', trail.handler('bill'));
  expect(await count()).toEqual({ 'events-commands': 3, 'events-reader': 3 * PARTITIONS });
  // The readers are where the slots are.
  for (const master of await cluster.masters()) {
    const own = await Promise.all(
      ['order-events', 'bill-events'].map((topic) => state.partitionsOn(master, topic, PARTITIONS)),
    );
    const [orders = [], bills = []] = own;
    expect(await state.readers(master)).toHaveLength(2 * orders.length + bills.length);
  }
  await other.unsubscribe();
  expect(await count()).toEqual({ 'events-commands': 3, 'events-reader': 2 * PARTITIONS });
  await trail.publishAll(node.kernel, 'order.placed', 1, 90, PARTITIONS);
  await trail.whenComplete();
  await node.kernel.stop();
  expect(await connections()).toEqual([]);
});

test('connections that break are replaced, not added to', async () => {
  const trail = new Trail();
  const node = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  for (let round = 0; round < 3; round++) {
    for (const each of cluster.nodes) await each.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    await trail.publishAll(node.kernel, 'order.placed', round * 50 + 1, round * 50 + 50, PARTITIONS);
  }
  await trail.whenComplete();
  await until(
    async () => (await connections()).length === 3 + PARTITIONS,
    async () => await connections(),
  );
  expect(trail.rejections).toEqual([]);
  await node.kernel.stop();
  expect(await connections()).toEqual([]);
});

test('nothing keeps a process that has stopped, also when nodes are frozen', async () => {
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const worker = (): ReturnType<typeof spawnWorker> =>
    spawnWorker(new URL('./process-worker.ts', import.meta.url), [JSON.stringify(nodes)]);
  await using usual = worker();
  await usual.next((message) => message === 'consumed');
  await usual.send({ stop: true });
  expect(await usual.exit).toEqual({ code: 0, signal: null });
  expect(await connections()).toEqual([]);

  await using frozen = worker();
  await frozen.next((message) => message === 'consumed');
  const masters = await cluster.masters();
  for (const master of masters) await master.freeze();
  await frozen.send({ stop: true });
  expect(await frozen.exit).toEqual({ code: 0, signal: null });
  for (const master of masters) await master.thaw();
  await cluster.ready();
});
