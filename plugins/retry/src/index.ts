export type { BackoffOptions } from './backoff.ts';
export type { BudgetOptions } from './budget.ts';
export type { CircuitOptions } from './circuit.ts';
export type { ErrorClass, NonRetryable, RetryPolicy, SubscriptionPolicy } from './policy.ts';
export type { PublishRetryOptions } from './publishing.ts';
export { createRetry as retry, type RetryOptions } from './retry.ts';
export { withRetry } from './with-retry.ts';
