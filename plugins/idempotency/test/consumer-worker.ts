// A consumer in a process of its own. Its argument is a ConsumerPlan as JSON; it reports by ConsumerReports.
import { createKernel, type Envelope, type Store } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { Redis } from 'ioredis';
import { idempotency } from '../src/index.ts';
import { CLAIM_MS, SHORT } from './pace.ts';

/** Between which steps it stops for ever. */
export type Stop = 'claim-effect' | 'effect-done' | 'done-settle';

export interface ConsumerPlan {
  readonly url: string;
  readonly concurrency: number;
  readonly stop?: Stop;
}

export interface ConsumerReport {
  readonly at: 'ready' | 'began' | 'stopped';
  readonly n: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as ConsumerPlan;
const report = (at: ConsumerReport['at'], n = 0): void => {
  process.send?.({ at, n } satisfies ConsumerReport);
};
const stopAt = async (step: Stop): Promise<void> => {
  if (plan.stop !== step) return;
  report('stopped');
  await new Promise(() => {});
};

const effects = new Redis(plan.url);
const transport = redisStreams({ url: plan.url, ...SHORT });
const { store } = transport.capabilities;
const marking: Store = {
  ...store,
  set: async (...args) => {
    await store.set(...args);
    await stopAt('done-settle');
  },
};
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const kernel = createKernel({ service: 'shop', logger: silent })
  .use(Object.assign(transport, { capabilities: { ...transport.capabilities, store: marking } }))
  .use(idempotency({ leaseMs: CLAIM_MS, by: ({ body }) => `order-${(body as { n: number }).n}` }));
await kernel.start();
await kernel.subscribe(
  'order.*',
  async ({ body }: Envelope) => {
    const { n } = body as { n: number };
    report('began', n);
    await stopAt('claim-effect');
    await effects.hincrby('effects', String(n), 1);
    await stopAt('effect-done');
  },
  { concurrency: plan.concurrency },
);
report('ready');
