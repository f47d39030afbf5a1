import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  type ClusterNode,
  type RedisClusterOptions,
  type RedisClusterService,
  redisCluster,
} from '../src/services/index.ts';
import { isAlive, needsRedis, remainsOf } from './services-fleet.ts';

beforeEach((context) => needsRedis(context));

const start = async (options: RedisClusterOptions = {}): Promise<RedisClusterService> => {
  const service = await redisCluster(options);
  onTestFinished(() => service.stop());
  return service;
};

/** What a node answers, a refusal included, without the place of the code. */
const answer = async (node: ClusterNode, ...args: string[]): Promise<unknown> =>
  node.cli(...args).catch((error: Error) => /refused \w+: (.*)$/.exec(error.message)?.[1]);

const isReplaced = async (cluster: RedisClusterService, old: ClusterNode): Promise<boolean> => {
  const masters = await cluster.masters();
  return masters.length === 3 && !masters.includes(old);
};

test('three masters share the slots, each with a replica', async () => {
  const cluster = await start();
  expect(cluster.nodes).toHaveLength(6);
  expect(await cluster.masters()).toEqual(cluster.nodes.slice(0, 3));
  for (const [index, master] of (await cluster.masters()).entries())
    expect(await cluster.replicasOf(master)).toEqual([cluster.nodes[index + 3]]);
  for (const key of ['foo', 'user:{7}:name', '{}key', 'a{b', 'ü', '{x}{y}']) {
    const slot = cluster.slotOf(key);
    const owner = await cluster.slotOwner(slot);
    expect(await owner.cli('CLUSTER', 'KEYSLOT', key)).toBe(slot);
    expect(await owner.cli('SET', key, '1')).toBe('OK');
  }
  await cluster.ready();
});

test('a slot moves with the stream in it, and redirects at every step', async () => {
  const cluster = await start({ password: 'of "all"', users: ['events on >pw ~* +@all'] });
  const stream = 'orders:{7}';
  const slot = cluster.slotOf(stream);
  const from = await cluster.slotOwner(slot);
  const to = (await cluster.masters()).find((master) => master !== from) as ClusterNode;
  const third = (await cluster.masters()).find((master) => master !== from && master !== to) as ClusterNode;
  await from.cli('XADD', stream, '1-1', 'a', '1');
  await from.cli('XGROUP', 'CREATE', stream, 'mailer', '0');
  await from.cli('XREADGROUP', 'GROUP', 'mailer', 'one', 'STREAMS', stream, '>');
  const asked = `ASK ${slot} ${to.host}:${to.port}`;
  const stays = `MOVED ${slot} ${from.host}:${from.port}`;
  const moved = `MOVED ${slot} ${to.host}:${to.port}`;

  await cluster.openSlot(slot, to);
  expect(await answer(from, 'XLEN', stream)).toBe(1);
  expect(await answer(from, 'XLEN', '{7}of-old')).toBe(asked);
  expect(await answer(to, 'XLEN', stream)).toBe(stays);

  expect(await cluster.migrateKeys(slot)).toBe(1);
  expect(await answer(from, 'XLEN', stream)).toBe(asked);
  expect(await answer(to, 'XLEN', stream)).toBe(stays);
  expect(await cluster.slotOwner(slot)).toBe(from);
  const client = new Redis({ port: to.port, password: 'of "all"' });
  onTestFinished(() => client.disconnect());
  await client.asking();
  expect(await client.xpending(stream, 'mailer')).toEqual([1, '1-1', '1-1', [['one', '1']]]);

  await cluster.closeSlot(slot, to);
  expect(await cluster.slotOwner(slot)).toBe(to);
  for (const node of [from, third]) expect(await answer(node, 'XLEN', stream)).toBe(moved);
  expect(await answer(to, 'XLEN', stream)).toBe(1);
  await cluster.ready();

  await expect(cluster.migrateKeys(slot)).rejects.toMatchObject({ message: expect.stringContaining('Open it first') });
});

test('keys move by and by, and slots many at a time', async () => {
  const cluster = await start();
  const [first, second] = (await cluster.masters()) as [ClusterNode, ClusterNode];
  const slot = cluster.slotOf('{b}');
  const from = await cluster.slotOwner(slot);
  const to = from === first ? second : first;
  for (let index = 0; index < 250; index++) await from.cli('SET', `{b}${index}`, '1');
  await cluster.openSlot(slot, to);
  expect(await cluster.migrateKeys(slot, 120)).toBe(120);
  expect(await from.cli('CLUSTER', 'COUNTKEYSINSLOT', `${slot}`)).toBe(130);
  expect(await to.cli('CLUSTER', 'COUNTKEYSINSLOT', `${slot}`)).toBe(120);
  expect(await cluster.migrateKeys(slot)).toBe(130);
  await cluster.closeSlot(slot, to);

  await cluster.reshard(3, first, second);
  await cluster.reshard([5, 6], first, second);
  for (const each of [0, 1, 2, 5, 6]) expect(await cluster.slotOwner(each)).toBe(second);
  expect(await cluster.slotOwner(4)).toBe(first);
  await cluster.ready();
});

test('a killed master is replaced while other slots are served, and comes back as a replica', async () => {
  const cluster = await start({ appendonly: true });
  const [old, other] = (await cluster.masters()) as [ClusterNode, ClusterNode];
  const [replica] = await cluster.replicasOf(old);
  const key = [...'abcdefghijkl'].find((name) => cluster.slotOf(name) <= 5_460) as string;
  const elsewhere = [...'abcdefghijkl'].find(
    (name) =>
      [5_461, 10_922].includes(cluster.slotOf(name)) || (cluster.slotOf(name) > 5_461 && cluster.slotOf(name) < 10_922),
  ) as string;
  await old.cli('SET', key, 'value');
  await cluster.ready();
  await old.kill();
  await expect(cluster.ready(100)).rejects.toMatchObject({ code: 'EVENTS_SERVICE_TIMEOUT' });
  do expect(await other.cli('SET', elsewhere, '1')).toBe('OK');
  while (!(await isReplaced(cluster, old)));
  expect(await cluster.slotOwner(cluster.slotOf(key))).toBe(replica);
  expect(await replica?.cli('GET', key)).toBe('value');
  await old.start();
  await cluster.ready();
  expect(await cluster.replicasOf(replica as ClusterNode)).toEqual([old]);
});

test('a frozen master is replaced, and follows when it thaws', async () => {
  const cluster = await start();
  const [old] = (await cluster.masters()) as [ClusterNode];
  const [replica] = await cluster.replicasOf(old);
  await old.freeze();
  await expect.poll(() => isReplaced(cluster, old), { timeout: 20_000 }).toBe(true);
  await old.thaw();
  await cluster.ready();
  expect(await cluster.replicasOf(replica as ClusterNode)).toEqual([old]);
});

test('a replica takes over when it is told to, and every node may be restarted', async () => {
  const cluster = await start({ appendonly: true });
  const [master] = (await cluster.masters()) as [ClusterNode];
  const [replica] = (await cluster.replicasOf(master)) as [ClusterNode];
  await cluster.failover(replica);
  await cluster.ready();
  expect(await cluster.replicasOf(replica)).toEqual([master]);
  await cluster.failover(master, 'TAKEOVER');
  await cluster.ready();
  expect(await cluster.slotOwner(0)).toBe(master);
  for (const node of [replica, master]) {
    await node.restart();
    await cluster.ready();
  }
});

test('a slot without an owner stops the others only when that is asked for', async () => {
  const clusters = await Promise.all([
    start({ replicasPerMaster: 0 }),
    start({ replicasPerMaster: 0, requireFullCoverage: true }),
  ]);
  for (const cluster of clusters) {
    await cluster.nodes[0]?.kill();
    await expect.poll(async () => (await cluster.masters()).length, { timeout: 20_000 }).toBe(2);
  }
  const [partial, full] = clusters.map(({ nodes }) => nodes[2] as ClusterNode) as [ClusterNode, ClusterNode];
  const key = [...'abcdefghijkl'].find((name) => clusters[0].slotOf(name) > 10_923) as string;
  expect(await answer(partial, 'SET', key, '1')).toBe('OK');
  await expect.poll(() => answer(full, 'SET', key, '1'), { timeout: 20_000 }).toContain('CLUSTERDOWN');
});

test('a cut replication leaves clients and the cluster alone', async () => {
  const cluster = await start({ proxied: true });
  const master = await cluster.slotOwner(cluster.slotOf('key'));
  const [replica] = (await cluster.replicasOf(master)) as [ClusterNode];
  const client = new Redis(master.url);
  onTestFinished(() => client.disconnect());
  await client.set('key', 'before');
  expect(await client.wait(1, 5_000)).toBe(1);
  // Redirects lead to the proxies.
  const [stranger] = (await cluster.masters()).filter((each) => each !== master) as [ClusterNode];
  expect(await answer(stranger, 'GET', 'key')).toBe(`MOVED ${cluster.slotOf('key')} 127.0.0.1:${master.network?.port}`);

  cluster.cutReplication();
  await client.set('key', 'cut');
  expect(await client.wait(1, 300)).toBe(0);
  expect(await client.get('key')).toBe('cut');
  expect(await cluster.masters()).toContain(master);
  await expect(cluster.ready(100)).rejects.toMatchObject({ message: expect.stringContaining('replication is cut') });

  cluster.healReplication();
  await cluster.ready();
  expect(await client.wait(1, 5_000)).toBe(1);
  await client.quit();
  const reader = new Redis(replica.url);
  onTestFinished(() => reader.disconnect());
  await reader.readonly();
  expect(await reader.get('key')).toBe('cut');
});

test('nothing is left after stop', async () => {
  const cluster = await start();
  const remains = await Promise.all(cluster.nodes.map(remainsOf));
  expect(remains.map(({ pid, config }) => isAlive(pid) && existsSync(config))).toEqual(Array(6).fill(true));
  await cluster.nodes[0]?.freeze();
  await cluster.stop();
  await cluster.stop();
  expect(remains.filter(({ pid, config }) => isAlive(pid) || existsSync(config))).toEqual([]);
});
