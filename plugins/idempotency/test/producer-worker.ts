// A producer in a process of its own. Its argument is a ProducerPlan as JSON; it reports by ProducerReports.
import { setTimeout as sleep } from 'node:timers/promises';
import { createKernel, isEventsError, type Store } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { idempotency } from '../src/index.ts';

/** Between which steps it stops for ever. */
export type ProducerStop = 'claim-store' | 'store-remember';

export interface ProducerPlan {
  readonly url: string;
  readonly prefix: string;
  /** It publishes the keys from 0 on, so many, in an order of its own. */
  readonly keys: number;
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly stop?: ProducerStop;
}

export interface ProducerReport {
  readonly at: 'sends' | 'stored' | 'stopped' | 'finished';
  readonly key?: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as ProducerPlan;
/** Resolves when it is on its way, whatever becomes of this process. */
const report = (at: ProducerReport['at'], key?: number): Promise<void> =>
  new Promise((resolve) => {
    process.send?.({ at, ...(key !== undefined && { key }) } satisfies ProducerReport, () => resolve());
  });
const stop = async (): Promise<never> => {
  await report('stopped');
  return new Promise<never>(() => {});
};

const transport = redisStreams({ url: plan.url, prefix: plan.prefix });
const { publish } = transport;
const { store } = transport.capabilities;
const forgetful: Partial<Store> = plan.stop === 'store-remember' ? { set: stop } : {};
const stopping = Object.assign(transport, {
  capabilities: { ...transport.capabilities, store: { ...store, ...forgetful } },
  publish: plan.stop === 'claim-store' ? () => void stop() : publish,
});
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const kernel = createKernel({ service: 'till', logger: silent })
  .use(stopping)
  .use(idempotency({ leaseMs: plan.leaseMs, produce: { by: ({ body }) => `order-${(body as { n: number }).n}` } }));
await kernel.start();

const storeOnce = async (n: number): Promise<void> => {
  await report('sends', n);
  for (;;)
    try {
      await kernel.publish('order.placed', { n });
      return await report('stored', n);
    } catch (thrown) {
      if (!isEventsError(thrown) || thrown.code !== 'EVENTS_IDEMPOTENCY_BUSY') throw thrown;
      await sleep(Math.min(thrown.retryAfterMs ?? 0, 50));
    }
};
const keys = Array.from({ length: plan.keys }, (_, n) => n).sort(() => Math.random() - 0.5);
const lane = async (): Promise<void> => {
  for (let key = keys.pop(); key !== undefined; key = keys.pop()) await storeOnce(key);
};
await Promise.all(Array.from({ length: plan.concurrency }, lane));
await report('finished');
