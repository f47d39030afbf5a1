// A kernel in a process of its own, which is to end by itself. Its argument is a WorkerPlan as JSON.
import { createKernel } from '@logistically/events-kernel';
import { redisSentinel } from '../src/index.ts';

interface WorkerPlan {
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly how: 'stopped' | 'not started' | 'without servers';
}

const { sentinels, how } = JSON.parse(process.argv[2] ?? '') as WorkerPlan;

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const kernel = createKernel({ service: 'worker', logger: silent }).use(
  redisSentinel({ sentinels, prefix: 'worker', commandTimeout: 500 }),
);
await kernel.subscribe('order.*', () => {});
if (how === 'stopped') {
  await kernel.start();
  await kernel.publish('order.placed', {});
  await kernel.stop();
} else if (how === 'without servers') await kernel.start().catch(() => {});
