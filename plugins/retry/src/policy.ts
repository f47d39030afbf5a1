import { isEventsError } from '@logistically/events-kernel';
import { type Backoff, type BackoffOptions, backoffOf } from './backoff.ts';
import { checkNumber, refuse } from './check.ts';
import type { CircuitOptions } from './circuit.ts';

/** A class of errors, abstract or not. */
export type ErrorClass = abstract new (...given: never[]) => Error;
/** Which reasons no further attempt can mend: error classes, or a function that tells. */
export type NonRetryable = readonly ErrorClass[] | ((reason: unknown) => boolean);

/** What one handler may have of its own: see `withRetry`. */
export interface RetryPolicy extends BackoffOptions {
  /** Default: none but what is `permanent` already. */
  readonly nonRetryable?: NonRetryable;
  /** How long a handler may take, in ms; then its signal fires and the attempt has failed. Default: as long as it likes. */
  readonly timeoutMs?: number;
}

/** What one subscription may have of its own. */
export interface SubscriptionPolicy extends RetryPolicy {
  /** Pauses the subscription while its handler keeps failing. `{}` takes the defaults. Default: none. */
  readonly circuit?: CircuitOptions | false;
}

/** A policy with nothing left open. */
export interface Policy extends Backoff {
  readonly nonRetryable: NonRetryable;
  readonly timeoutMs: number | undefined;
}

const CONSUME_DEFAULTS: Policy = {
  maxAttempts: 4,
  backoff: 'exponential',
  baseDelayMs: 1000,
  maxDelayMs: 30_000,
  jitter: 'full',
  nonRetryable: [],
  timeoutMs: undefined,
};

/** `options` over `defaults`; throws `EVENTS_CONFIG` for what is none. */
export const policyOf = (options: RetryPolicy, defaults: Policy = CONSUME_DEFAULTS): Policy => {
  const { nonRetryable = defaults.nonRetryable, timeoutMs = defaults.timeoutMs } = options;
  const listed = Array.isArray(nonRetryable) && nonRetryable.every((each) => typeof each === 'function');
  if (!listed && typeof nonRetryable !== 'function')
    refuse('`nonRetryable` must be an array of error classes, or a function.');
  if (timeoutMs !== undefined) checkNumber('timeoutMs', timeoutMs, { min: 1 });
  return { ...backoffOf(options, defaults), nonRetryable, timeoutMs };
};

export const isPermanent = (reason: unknown): boolean => isEventsError(reason) && reason.permanent;

/** Whether the policy says that no further attempt can mend it. A function that throws says nothing: it is tried again. */
export const isNonRetryable = ({ nonRetryable }: Policy, reason: unknown): boolean => {
  if (typeof nonRetryable !== 'function') return nonRetryable.some((each) => reason instanceof each);
  try {
    return nonRetryable(reason);
  } catch {
    return false;
  }
};
