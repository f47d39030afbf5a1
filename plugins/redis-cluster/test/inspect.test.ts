import { redisCluster } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';

const PARTITIONS = 12;

test('tells the node of each partition, and the partitions of a topic are spread over all masters', async () => {
  await using cluster = await redisCluster({ nodeTimeoutMs: 10_000 });
  const state = new State(cluster);
  const trail = new Trail();
  await using node = await startNode({ clusterNodes: cluster.nodes, partitions: PARTITIONS });
  const { inspect } = node.transport.capabilities;
  await node.kernel.subscribe('order.*', trail.handler('consumer'), { concurrency: 10 });
  await trail.publishAll(node.kernel, 'order.placed', 1, 600, PARTITIONS);
  await trail.whenComplete();
  await state.whenSettled('order-events', PARTITIONS);

  const { partitions } = await inspect.topic('order-events');
  expect(partitions.map(({ partition, length, node }) => ({ partition, length, node }))).toEqual(
    await Promise.all(
      partitions.map(async (_, partition) => {
        const { host, port } = await state.owner('order-events', partition);
        return { partition, length: 50, node: `${host}:${port}` };
      }),
    ),
  );
  expect(partitions.map(({ groups }) => groups)).toMatchObject(
    Array(PARTITIONS).fill([{ group: 'shop', lag: 0, pending: 0 }]),
  );
  for (const master of await cluster.masters()) {
    const own = partitions.filter((partition) => partition.node === `${master.host}:${master.port}`);
    expect(own.length).toBeGreaterThanOrEqual(PARTITIONS / 6);
    // The server has what it is said to have, and nothing else of this topic.
    const keys = await Promise.all(
      partitions.map(({ partition }) =>
        master.cli('CLUSTER', 'COUNTKEYSINSLOT', String(state.slot('order-events', partition))),
      ),
    );
    expect(keys.filter((count) => Number(count) > 0)).toHaveLength(own.length);
  }

  // Tells of the new one when a partition has moved.
  const from = await state.owner('order-events');
  const to = (await cluster.masters()).find(({ id }) => id !== from.id) ?? from;
  await cluster.moveSlot(state.slot('order-events'), to);
  expect((await inspect.topic('order-events')).partitions[0]).toMatchObject({
    node: `${to.host}:${to.port}`,
    length: 50,
  });
});
