import { redisCluster } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { Commands } from './commands.ts';
import { createNode, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const TYPE = 'order.placed';
const TOPIC = 'order-events';

test('replicas that cannot be spared are refused at the start', async () => {
  await using cluster = await redisCluster();
  await new State(cluster).whenReplicasAreNamed(1);
  const node = createNode({ clusterNodes: cluster.nodes, durability: { replicas: 1 } });
  await expect(node.kernel.start()).rejects.toMatchObject({
    code: 'EVENTS_REDIS_STREAMS_DURABILITY',
    message: expect.stringContaining('needs 2 replicas for each master'),
  });
  for (const each of cluster.nodes) expect(await new State(cluster).connections(each)).toEqual([]);
});

test('two replicas for each master: started right after the cluster was made; one WAIT covers many events; none that is confirmed is lost', async () => {
  await using cluster = await redisCluster({ replicasPerMaster: 2, proxied: true });
  const state = new State(cluster);
  const trail = new Trail();
  const commands = new Commands();
  const options = { clusterNodes: cluster.nodes, partitions: PARTITIONS, durability: { replicas: 1, timeoutMs: 500 } };
  await using node = await startNode({ ...options, connect: commands.connect });
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  await node.kernel.subscribe(
    TYPE,
    trail.handler('consumer', (n) => (n > 10_000 ? released : undefined)),
    { concurrency: 20 },
  );

  await trail.publishAll(node.kernel, TYPE, 1, 2000, PARTITIONS);
  expect(trail.rejections).toEqual([]);
  expect(
    commands.sent.filter(([name]) => name === 'wait').every(([, replicas, ms]) => replicas === '1' && ms === '500'),
  ).toBe(true);
  expect(commands.count('wait')).toBeGreaterThan(0);
  expect(commands.count('wait')).toBeLessThan(500);
  await trail.whenComplete();

  // What is in hands before the cut is settled during it: neither reads nor acknowledgements wait for replicas.
  for (let n = 10_001; n <= 10_010; n++) await trail.publish(node.kernel, TYPE, n, { partition: n % PARTITIONS });
  await until(() => trail.calls.length >= 2010, 'ten are in hands');
  cluster.cutReplication();
  release();
  await trail.whenComplete();
  await state.whenSettled(TOPIC, PARTITIONS);
  const { length: before } = trail.calls;
  const began = Date.now();
  await trail.publishAll(node.kernel, TYPE, 20_001, 20_060, PARTITIONS);
  expect(Date.now() - began).toBeLessThan(500 + 5000);
  expect(trail.rejections).toHaveLength(60);
  for (const reason of trail.rejections) expect(reason).toMatchObject({ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' });
  // They are stored on the master all the same, and are consumed.
  await until(() => trail.calls.length >= before + 60, 'they are consumed');
  const store = node.transport.capabilities.store;
  await store.set('a', '1');
  expect(await store.get('a')).toBe('1');

  // The master dies with what was not confirmed; what was confirmed is with a replica.
  const master = await state.owner(TOPIC);
  const known = (await node.transport.capabilities.log.read(TOPIC, { limit: 1000 })).length;
  await master.kill();
  await until(async () => (await state.owner(TOPIC)).id !== master.id, 'a replica has taken over');
  cluster.healReplication();
  await until(() => trail.publish(node.kernel, TYPE, 30_000, { partition: 0 }), 'events are confirmed again');
  const log = await node.transport.capabilities.log.read(TOPIC, { limit: 1000 });
  const there = new Set(log.map(({ payload }) => (JSON.parse(String(payload)) as { body: { n: number } }).body.n));
  const confirmed = trail.history.facts.filter((fact) => fact.fact === 'publish' && fact.confirmed !== false);
  const missing = confirmed
    .map((fact) => Number((fact as { id: string }).id))
    .filter((n) => n % PARTITIONS === 0 && !there.has(n));
  expect(missing).toEqual([]);
  // The harness sees loss: what nobody confirmed was there, and is not any more.
  expect(known).toBeGreaterThanOrEqual(there.size);
  expect(there.has(20_004)).toBe(false);
});

test('what is published to a half-way slot is confirmed by the replicas of the node that takes it', async () => {
  await using cluster = await redisCluster({ replicasPerMaster: 2, proxied: true });
  const state = new State(cluster);
  await using node = await startNode({ clusterNodes: cluster.nodes, durability: { replicas: 1, timeoutMs: 300 } });
  const trail = new Trail();
  expect(await trail.publish(node.kernel, TYPE, 1)).toBe(true);
  const from = await state.owner(TOPIC);
  const to = (await cluster.masters()).find(({ id }) => id !== from.id) ?? from;
  const slot = state.slot(TOPIC);
  await cluster.openSlot(slot, to);
  await cluster.migrateKeys(slot);
  expect(await trail.publish(node.kernel, TYPE, 2)).toBe(true);
  to.network?.cutReplication();
  expect(await trail.publish(node.kernel, TYPE, 3)).toBe(false);
  expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_NOT_REPLICATED' }]);
  to.network?.healReplication();
  await until(() => trail.publish(node.kernel, TYPE, 4), 'events are confirmed again');
  await cluster.closeSlot(slot, to);
  expect(await trail.publish(node.kernel, TYPE, 5)).toBe(true);
});
