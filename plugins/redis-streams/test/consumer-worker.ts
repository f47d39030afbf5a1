// A consumer in a process of its own. Its argument is a ConsumerPlan as JSON; it reports by ConsumerReports.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKernel, type Envelope } from '@logistically/events-kernel';
import { type RedisStreamsOptions, redisStreams } from '../src/index.ts';
import type { Body } from './trail.ts';

export interface ConsumerPlan {
  readonly redis: RedisStreamsOptions;
  readonly service: string;
  readonly pattern: string;
  readonly concurrency: number;
  /** How long the handler works, in ms; without it until it is told to finish by a message. */
  readonly workMs?: number;
  /** How long it then blocks the event loop at a time, in ms, with rests three times as long. */
  readonly busyMs?: number;
  /** Whether it fails in the end. */
  readonly fails?: boolean;
}

export interface ConsumerReport {
  readonly at: 'ready' | 'started' | 'done' | 'failed' | 'signal' | 'leaseLost';
  readonly n: number;
  readonly attempt: number;
  /** Ms since the epoch. */
  readonly time: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as ConsumerPlan;
const { workMs, busyMs = 0 } = plan;

const report = (at: ConsumerReport['at'], n = 0, attempt = 0): void => {
  process.send?.({ at, n, attempt, time: Date.now() } satisfies ConsumerReport);
};

const work = async (): Promise<void> => {
  const end = Date.now() + (workMs ?? 0);
  if (workMs === undefined) await once(process, 'message');
  while (Date.now() < end) {
    const rest = Date.now() + busyMs;
    while (Date.now() < rest);
    await sleep(Math.max(1, Math.min(3 * busyMs || end, end - Date.now())));
  }
  if (plan.fails) throw new Error('as planned');
};

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const kernel = createKernel({ service: plan.service, logger: silent }).use(redisStreams(plan.redis));
kernel.on('leaseLost', ({ delivery }) =>
  report('leaseLost', (delivery.envelope as Envelope<string, Body>).body.n, delivery.attempt),
);
await kernel.start();
await kernel.subscribe(
  plan.pattern,
  async ({ body }, { attempt, signal }) => {
    const { n } = body as Body;
    signal.addEventListener('abort', () => report('signal', n, attempt));
    report('started', n, attempt);
    await work().catch((reason) => {
      report('failed', n, attempt);
      throw reason;
    });
    report('done', n, attempt);
  },
  { concurrency: plan.concurrency },
);
report('ready');
