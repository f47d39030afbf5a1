// A whole life in a process of its own: starts, consumes one event, and stops when it is told to. Its argument is the nodes as JSON.
import { once } from 'node:events';
import { createKernel } from '@logistically/events-kernel';
import { redisCluster } from '../src/index.ts';

const kernel = createKernel({ service: 'worker', stopTimeoutMs: 2000 }).use(
  redisCluster({ clusterNodes: JSON.parse(process.argv[2] ?? ''), partitions: 3, prefix: 'worker' }),
);
await kernel.subscribe('order.*', () => {
  process.send?.('consumed');
});
await kernel.start();
await kernel.publish('order.placed', {}, { partition: 1 });
await once(process, 'message');
await kernel.stop();
process.disconnect();
