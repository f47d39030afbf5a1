import { setTimeout as sleep } from 'node:timers/promises';
import { batching } from '@logistically/events-batching';
import { dlq } from '@logistically/events-dlq';
import { idempotency } from '@logistically/events-idempotency';
import { createKernel, isEventsError } from '@logistically/events-kernel';
import { rateLimit } from '@logistically/events-rate-limit';
import { redisStreams } from '@logistically/events-redis-streams';
import { retry } from '@logistically/events-retry';
import { type OrderEvents, SERVICE } from './order.ts';

/** How long somebody who is gone keeps what it had, in ms. */
export const LEASE_MS = 3000;

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** What a service that trusts its events uses: redis-streams, and all five plugins. */
const createStack = (url: string) =>
  createKernel<OrderEvents>({ service: SERVICE, logger: silent })
    .use(redisStreams({ url, leaseMs: LEASE_MS, claimIntervalMs: 500, timeoutMs: 2000 }))
    .use(
      retry({
        // Deaths count: what takes long must not be given up for the bad luck of those who had it.
        maxAttempts: 30,
        baseDelayMs: 50,
        maxDelayMs: 1000,
        timeoutMs: 20_000,
        publish: { maxAttempts: 20, baseDelayMs: 50, maxDelayMs: 1000 },
      }),
    )
    .use(dlq())
    .use(batching({ maxSize: 50, maxWaitMs: 20 }))
    .use(idempotency({ leaseMs: LEASE_MS, by: ({ body }) => (body as { n: string }).n }))
    .use(rateLimit({ maxRequests: 10_000, timeWindowMs: 1000 }));

type Stack = ReturnType<typeof createStack>;

/** Starts one. A start that finds no server fails, as it has to; then the next one is tried, as whoever runs services does. */
export const openStack = async (url: string, prepare?: (kernel: Stack) => Promise<unknown>): Promise<Stack> => {
  for (;;) {
    const kernel = createStack(url);
    try {
      await prepare?.(kernel);
      await kernel.start();
      return kernel;
    } catch (thrown) {
      if (!isEventsError(thrown) || !/_CONNECTION|_TIMEOUT/.test(thrown.code)) throw thrown;
      await sleep(500);
    }
  }
};
