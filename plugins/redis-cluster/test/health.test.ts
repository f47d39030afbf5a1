import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClusterNode, type RedisClusterService, redisCluster } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Node, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const TYPE = 'order.placed';
const TOPIC = 'order-events';

let cluster: RedisClusterService;
let state: State;
let node: Node;
let trail: Trail;
beforeAll(async () => {
  cluster = await redisCluster({
    proxied: true,
    appendonly: true,
    args: ['--enable-protected-configs', 'yes'],
    users: ['app on >app ~* &* +@all'],
  });
  state = new State(cluster, 'health');
  node = await startNode({
    clusterNodes: cluster.nodes,
    redis: { username: 'app', password: 'app' },
    prefix: 'health',
    partitions: PARTITIONS,
    leaseMs: 1000,
    failoverRecovery: { maxRetries: 1 },
  });
  await node.kernel.subscribe(TYPE, (event, context) => trail.handler('consumer')(event, context));
});
beforeEach(async () => {
  trail = new Trail();
  await cluster.ready();
  await until(async () => (await node.problems()).length === 0, node.problems);
});
afterAll(async () => {
  await node.kernel.stop();
  await cluster.stop();
});

/** Waits until health names something. */
const told = (what: RegExp): Promise<void> =>
  until(async () => (await node.problems()).some((problem) => what.test(problem)), node.problems);

/** Waits until it names nothing, and sees that events go through. */
const well = async (): Promise<void> => {
  await until(async () => (await node.problems()).length === 0, node.problems);
  await trail.publishAll(node.kernel, TYPE, 1, 12, PARTITIONS);
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
};

const nameOf = ({ host, port }: ClusterNode): string => `${host}:${port}`;

test('a master that does not answer, then: failing over; with no replica left it stays that', async () => {
  const master = await state.owner(TOPIC);
  const [replica] = await cluster.replicasOf(master);
  await replica?.kill();
  await master.kill();
  await told(/^a master with \d+ slots does not answer: the others have not agreed yet that it is down$/);
  await told(/^failing over: \d+ slots have lost their master, and no replica has taken over yet$/);
  await told(new RegExp(`^${nameOf(master)}: no connection to Redis$`));
  await told(/^group shop has no connection to read with$/);
  await master.start();
  await replica?.start();
  await well();
});

test('no quorum', async () => {
  const masters = await cluster.masters();
  const [living] = masters;
  for (const each of cluster.nodes) if (each !== living) await each.kill();
  await told(/^no quorum: most of the masters cannot be reached by the others \(CLUSTERDOWN\)$/);
  expect(await trail.publish(node.kernel, TYPE, 1)).toBe(false);
  trail = new Trail();
  for (const each of cluster.nodes) await each.start();
  await cluster.ready();
  await well();
});

test('slots that belong to no node', async () => {
  const slot = state.slot(TOPIC);
  const owner = await cluster.slotOwner(slot);
  const all = [owner, ...cluster.nodes.filter((each) => each !== owner)];
  const other = (await cluster.masters()).find((each) => each !== owner) as ClusterNode;
  const [partition = 0] = await state.partitionsOn(other, TOPIC, PARTITIONS);
  for (const each of all) await each.cli('CLUSTER', 'DELSLOTS', String(slot)).catch(() => {});
  await told(/^CLUSTERDOWN: 1 slots belong to no node$/);
  expect(await trail.publish(node.kernel, TYPE, 1, { partition: 0 })).toBe(false);
  expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_UNAVAILABLE' }]);
  expect(String(trail.rejections[0])).toContain('CLUSTERDOWN');
  // The others are served.
  expect(await trail.publish(node.kernel, TYPE, 2, { partition })).toBe(true);
  await owner.cli('CLUSTER', 'ADDSLOTS', String(slot));
  await cluster.ready();
  await until(async () => (await node.problems()).length === 0, node.problems);
  expect(await trail.publish(node.kernel, TYPE, 3, { partition: 0 })).toBe(true);
});

test('a master that cannot write to its disk (MISCONF)', async () => {
  const master = await state.owner(TOPIC);
  const [, before = ''] = (await master.cli('CONFIG', 'GET', 'dir')) as string[];
  const directory = mkdtempSync(join(tmpdir(), 'events-health-'));
  await master.cli('CONFIG', 'SET', 'appendonly', 'no');
  await master.cli('CONFIG', 'SET', 'dir', directory, 'save', '3600 1');
  rmSync(directory, { recursive: true });
  await master.cli('BGSAVE');
  await told(new RegExp(`^${nameOf(master)}: .*MISCONF`));
  expect(await trail.publish(node.kernel, TYPE, 1, { partition: 0 })).toBe(false);
  expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_NOT_PERSISTED' }]);
  await master.cli('CONFIG', 'SET', 'dir', before, 'save', '');
  await master.cli('BGSAVE');
  trail = new Trail();
  await well();
});

test('a master at its memory limit; the others take events', async () => {
  const master = await state.owner(TOPIC);
  await master.cli('CONFIG', 'SET', 'maxmemory', '1');
  await told(new RegExp(`^${nameOf(master)}: Redis is at its memory limit`));
  expect(await trail.publish(node.kernel, TYPE, 1, { partition: 0 })).toBe(false);
  expect(trail.rejections).toMatchObject([{ code: 'EVENTS_REDIS_STREAMS_OUT_OF_MEMORY' }]);
  const other = (await cluster.masters()).find((each) => each !== master) as ClusterNode;
  const [partition = 0] = await state.partitionsOn(other, TOPIC, PARTITIONS);
  expect(await trail.publish(node.kernel, TYPE, 2, { partition })).toBe(true);
  await master.cli('CONFIG', 'SET', 'maxmemory', '0');
  trail = new Trail();
  await well();
});

test('a lag without progress', async () => {
  const master = await state.owner(TOPIC);
  await master.cli('ACL', 'SETUSER', 'app', '-xreadgroup');
  for (let n = 101; n <= 105; n++) await trail.publish(node.kernel, TYPE, n, { partition: 0 });
  await told(/^group shop has a lag of \d+ in order-events and gets nothing$/);
  await told(/^group shop got no answer to a read for \d+ ms$/);
  await master.cli('ACL', 'SETUSER', 'app', '+xreadgroup');
  await well();
});

test('one node cannot be reached from here, while the cluster is in full health', async () => {
  const master = await state.owner(TOPIC);
  await master.network?.refuse();
  master.network?.cut();
  await told(new RegExp(`^${nameOf(master)}: no connection to Redis$`));
  expect((await node.problems()).filter((problem) => /^(CLUSTERDOWN|failing over|no quorum)/.test(problem))).toEqual(
    [],
  );
  await master.network?.accept();
  await well();
});
