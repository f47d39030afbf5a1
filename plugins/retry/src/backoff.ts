import { checkNumber, refuse } from './check.ts';

/** How many calls, and how long to wait between them. */
export interface BackoffOptions {
  /** Calls in all. Default 4. */
  readonly maxAttempts?: number;
  /** Calls after the first one: another way to say `maxAttempts`. Default 3. */
  readonly maxRetries?: number;
  /** How the wait grows: doubled, the same, or along 1, 1, 2, 3, 5. Default `'exponential'`. */
  readonly backoff?: 'exponential' | 'fixed' | 'fibonacci';
  /** The first wait, in ms. */
  readonly baseDelayMs?: number;
  /** The longest wait, in ms. */
  readonly maxDelayMs?: number;
  /**
   * `'full'`: anything from nothing to the wait, equally likely, so that what failed together does not come back together
   * ("Exponential Backoff And Jitter", AWS Architecture Blog). Default `'full'`.
   */
  readonly jitter?: 'full' | 'none';
}

export interface Backoff {
  readonly maxAttempts: number;
  readonly backoff: 'exponential' | 'fixed' | 'fibonacci';
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly jitter: 'full' | 'none';
}

const attemptsOf = ({ maxAttempts, maxRetries }: BackoffOptions): number | undefined => {
  if (maxAttempts !== undefined) checkNumber('maxAttempts', maxAttempts, { min: 1, whole: true });
  if (maxRetries === undefined) return maxAttempts;
  const calls = checkNumber('maxRetries', maxRetries, { whole: true }) + 1;
  if (maxAttempts !== undefined && maxAttempts !== calls)
    refuse(`\`maxRetries: ${maxRetries}\` means ${calls} attempts, not ${maxAttempts}: give one of the two.`);
  return calls;
};

/** `options` over `defaults`; throws `EVENTS_CONFIG` for what is none. */
export const backoffOf = (options: BackoffOptions, defaults: Backoff): Backoff => {
  const { backoff = defaults.backoff, jitter = defaults.jitter } = options;
  if (!['exponential', 'fixed', 'fibonacci'].includes(backoff))
    refuse("`backoff` must be 'exponential', 'fixed' or 'fibonacci'.");
  if (jitter !== 'full' && jitter !== 'none') refuse("`jitter` must be 'full' or 'none'.");
  return {
    maxAttempts: attemptsOf(options) ?? defaults.maxAttempts,
    backoff,
    baseDelayMs: checkNumber('baseDelayMs', options.baseDelayMs ?? defaults.baseDelayMs),
    maxDelayMs: checkNumber('maxDelayMs', options.maxDelayMs ?? defaults.maxDelayMs),
    jitter,
  };
};

const fibonacci = (n: number): number => {
  let [last, next] = [1, 1];
  // Beyond it numbers are no longer exact, and any wait has long reached its bound.
  for (let at = 2; at < Math.min(n, 78); at++) [last, next] = [next, last + next];
  return next;
};

/** How long to wait after attempt `attempt` (from 1) has failed, in ms. */
export const delayOf = (
  { backoff, baseDelayMs, maxDelayMs, jitter }: Backoff,
  attempt: number,
  random: () => number = Math.random,
): number => {
  const factor =
    backoff === 'fixed' ? 1 : backoff === 'fibonacci' ? fibonacci(attempt) : 2 ** Math.min(attempt - 1, 1000);
  const delayMs = Math.min(maxDelayMs, baseDelayMs * factor);
  return Math.round(jitter === 'full' ? random() * delayMs : delayMs);
};
