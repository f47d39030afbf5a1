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

/** Classes cannot be called: each would throw as a function of the reason. Theirs and the built-in ones' `prototype` is read-only. */
const isClass = (given: unknown): boolean =>
  typeof given === 'function' &&
  (given.prototype instanceof Error || Object.getOwnPropertyDescriptor(given, 'prototype')?.writable === false);

/** `options` over `defaults`; throws `EVENTS_CONFIG` for what is none. */
export const policyOf = (options: RetryPolicy, defaults: Policy = CONSUME_DEFAULTS): Policy => {
  const { nonRetryable = defaults.nonRetryable, timeoutMs = defaults.timeoutMs } = options;
  // `instanceof` throws for an arrow function.
  const listed = Array.isArray(nonRetryable) && nonRetryable.every((each) => typeof each?.prototype === 'object');
  if (!listed && (typeof nonRetryable !== 'function' || isClass(nonRetryable)))
    refuse('`nonRetryable` must be an array of error classes, or a function of the reason.');
  if (timeoutMs !== undefined) checkNumber('timeoutMs', timeoutMs, { min: 1 });
  return { ...backoffOf(options, defaults), nonRetryable, timeoutMs };
};

/**
 * Whether the policy says that no further attempt can mend it. A function that throws, or that says anything but `true`, says
 * nothing: it is tried again.
 */
export const isNonRetryable = ({ nonRetryable }: Policy, reason: unknown): boolean => {
  try {
    return typeof nonRetryable === 'function'
      ? nonRetryable(reason) === true
      : nonRetryable.some((each) => reason instanceof each);
  } catch {
    return false;
  }
};
