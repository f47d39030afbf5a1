import { type RedisClusterService, redisCluster } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const TYPE = 'order.placed';
const TOPIC = 'order-events';

/** The same nodes as another cluster: as a disaster leaves it behind, with epochs that begin anew. */
const rebuild = async ({ nodes }: RedisClusterService): Promise<void> => {
  for (const node of nodes)
    await until(async () => {
      await node.cli('FLUSHALL').catch(() => {});
      return node.cli('CLUSTER', 'RESET', 'HARD').then(
        () => true,
        () => false,
      );
    }, 'it forgets all');
  const [first, ...others] = nodes as [(typeof nodes)[number], ...typeof nodes];
  const ranges = [
    ['0', '5460'],
    ['5461', '10922'],
    ['10923', '16383'],
  ] as const;
  for (const [index, range] of ranges.entries()) {
    await nodes[index]?.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    await nodes[index]?.cli('CLUSTER', 'ADDSLOTSRANGE', ...range);
  }
  for (const node of others) await node.cli('CLUSTER', 'MEET', first.host, String(first.port));
  const infos = (): Promise<string[]> =>
    Promise.all(nodes.map(async (node) => String(await node.cli('CLUSTER', 'INFO'))));
  await until(
    async () => (await infos()).every((info) => /state:ok/.test(info) && info.includes(`nodes:${nodes.length}`)),
    infos,
  );
  for (const [index] of ranges.entries())
    await nodes[index + 3]?.cli('CLUSTER', 'REPLICATE', String(await nodes[index]?.cli('CLUSTER', 'MYID')));
};

/** How often the nodes were asked who has which slot. */
const timesAsked = async ({ nodes }: RedisClusterService): Promise<number> => {
  const stats = await Promise.all(nodes.map(async (node) => String(await node.cli('INFO', 'commandstats'))));
  return stats.reduce((sum, text) => sum + Number(/cmdstat_cluster\|slots:calls=(\d+)/.exec(text)?.[1] ?? 0), 0);
};

const epochIn = (info: string): number => Number(/current_epoch:(\d+)/.exec(info)?.[1]);

test('a cluster that was made anew at the same addresses is followed', async () => {
  await using cluster = await redisCluster();
  const state = new State(cluster);
  const trail = new Trail();
  await using node = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  await node.kernel.subscribe(TYPE, trail.handler('consumer'));
  // What the next one begins with is far below.
  await until(async () => {
    for (const master of await cluster.masters()) await master.cli('CLUSTER', 'BUMPEPOCH');
    return epochIn(String(await cluster.nodes[0]?.cli('CLUSTER', 'INFO'))) > 20;
  }, 'an epoch far beyond');
  const asked = await timesAsked(cluster);
  await until(async () => (await timesAsked(cluster)) >= asked + 2, 'the epoch is known');
  await trail.publishAll(node.kernel, TYPE, 1, 12, PARTITIONS);
  await trail.whenComplete();
  await rebuild(cluster);
  await cluster.ready();
  await until(() => trail.publish(node.kernel, TYPE, 13, { partition: 0 }), 'events are taken again');
  const master = cluster.nodes[Math.floor(state.slot(TOPIC) / 5461.5)];
  await master?.kill();
  await trail.publishAll(node.kernel, TYPE, 101, 112, PARTITIONS);
  expect(trail.rejections).toEqual([]);
  await until(
    () => Array.from({ length: 12 }, (_, n) => 101 + n).every((n) => trail.done.includes(n)),
    () => trail.check({ limit: 5 }),
  );
});
