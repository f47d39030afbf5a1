// A process whose handler hangs, and in which nothing else goes on. Its argument says what it waits for.
import { createKernel } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { retry, withRetry } from '../src/index.ts';

export type HungPlan = 'its time-out' | 'nothing, stopped' | 'nothing, stopped, with a policy of its own';

const plan = process.argv[2] as HungPlan;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const timeoutMs = plan === 'its time-out' ? 300 : 600_000;
const isOwn = plan === 'nothing, stopped, with a policy of its own';
const kernel = createKernel({ service: 'shop', logger: silent })
  .use(memory())
  .use(retry(isOwn ? {} : { timeoutMs, baseDelayMs: 1 }));
await kernel.start();

const begun = await new Promise<number>((resolve) => {
  const handler = (_event: unknown, { attempt }: { readonly attempt: number }): unknown => {
    if (attempt > 1 || plan !== 'its time-out') resolve(attempt);
    return attempt > 1 ? undefined : new Promise(() => {});
  };
  void kernel
    .subscribe('a.*', isOwn ? withRetry(handler, { timeoutMs }) : handler)
    .then(() => kernel.publish('a.b', 1));
});
await kernel.stop(200);
process.send?.(begun);
