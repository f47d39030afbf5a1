export {
  type IdempotencyApi,
  type IdempotencyNeeds,
  type IdempotencyOptions,
  type IdempotencyStats,
  idempotency,
  type ProduceOptions,
} from './idempotency.ts';
export type { EventKey, PublishKey } from './key.ts';
