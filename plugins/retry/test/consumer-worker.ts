// A consumer in a process of its own. Its argument is a ConsumerPlan as JSON; it reports by ConsumerReports.
import { createKernel, type EventsError } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { retry } from '../src/index.ts';

export interface ConsumerPlan {
  readonly url: string;
  readonly maxAttempts: number;
  readonly delayMs: number;
  /** This attempt never ends; all others fail. */
  readonly hangsAt?: number;
}

export interface ConsumerReport {
  readonly at: 'ready' | 'began' | 'failed';
  readonly attempt: number;
  /** Ms since the epoch. */
  readonly time: number;
  readonly code?: string;
}

const { url, maxAttempts, delayMs, hangsAt } = JSON.parse(process.argv[2] ?? '') as ConsumerPlan;
const report = (at: ConsumerReport['at'], attempt = 0, code = ''): void => {
  process.send?.({ at, attempt, time: Date.now(), code } satisfies ConsumerReport);
};

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const kernel = createKernel({ service: 'shop', logger: silent })
  .use(redisStreams({ url, leaseMs: 1000, claimIntervalMs: 50, timeoutMs: 2000 }))
  .use(retry({ maxAttempts, baseDelayMs: delayMs, backoff: 'fixed', jitter: 'none' }));
kernel.on('failed', ({ delivery, reason }) => report('failed', delivery.attempt, (reason as EventsError).code));
await kernel.start();
await kernel.subscribe('order.*', async (_event, { attempt }) => {
  report('began', attempt);
  if (attempt === hangsAt) await new Promise(() => {});
  throw new Error('no');
});
report('ready');
