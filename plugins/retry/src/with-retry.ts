import type { Envelope, Handler, WrapHandler } from '@logistically/events-kernel';
import { checkOptions, refuse } from './check.ts';
import { policyOf, type RetryPolicy } from './policy.ts';
import { supervise } from './supervision.ts';

/**
 * A handler with a policy of its own: what it leaves open comes from its subscription, and then from `retry()`. In a kernel
 * without `retry()` only `timeoutMs` has an effect. Throws `EVENTS_CONFIG`.
 */
export const withRetry = <Event extends Envelope = Envelope>(
  handler: Handler<Event>,
  policy: RetryPolicy,
): Handler<Event> => {
  if (typeof handler !== 'function') refuse('withRetry() takes a handler, and a policy.');
  checkOptions('policy', policy);
  policyOf(policy);
  // The context of a handler is its delivery.
  return supervise(handler as unknown as ReturnType<WrapHandler>, policy) as unknown as Handler<Event>;
};
