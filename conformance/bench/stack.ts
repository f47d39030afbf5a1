import { batching } from '@logistically/events-batching';
import { dlq } from '@logistically/events-dlq';
import { idempotency } from '@logistically/events-idempotency';
import { rateLimit } from '@logistically/events-rate-limit';
import { retry } from '@logistically/events-retry';
import type { BenchPlugin } from './subject.ts';

/** The plugins that make a bus trustworthy, by name: each with its defaults, and a limit that none of the events meets. */
export const trustworthy: Readonly<Record<string, () => BenchPlugin>> = {
  retry: () => retry(),
  dlq: () => dlq(),
  batching: () => batching({ maxSize: 100 }),
  idempotency: () => idempotency(),
  rateLimit: () => rateLimit({ maxRequests: 100_000_000 }),
};
