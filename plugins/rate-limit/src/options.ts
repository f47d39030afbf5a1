import { checkPattern, EventsError, type OutgoingEvent } from '@logistically/events-kernel';

/** How many events are let pass in a time. */
export interface Limit {
  /** Events per window; of a token bucket also its size. Default 1000. */
  readonly maxRequests?: number;
  /** Length of the window in ms. Default 60 000. */
  readonly timeWindowMs?: number;
  /** Another name for `timeWindowMs`, in ms too. */
  readonly timeWindow?: number;
  /**
   * `'sliding-window'`: never more than `maxRequests` in any stretch of `timeWindowMs`. `'token-bucket'`: up to `maxRequests` at
   * once, and a steady `maxRequests / timeWindowMs` after that. Default `'sliding-window'`.
   */
  readonly strategy?: 'sliding-window' | 'token-bucket';
}

export interface RateLimitOptions extends Limit {
  /** `'shared'`: all processes of the service share a limit, in the transport's `store`. Default `'process'`. */
  readonly scope?: 'process' | 'shared';
  /** What an event does that comes too soon: wait for its turn, or be rejected at once. Default `'wait'`. */
  readonly onLimit?: 'wait' | 'reject';
  /** How many events may wait, over all limits. Beyond, they are rejected. Default 10 000. */
  readonly maxQueued?: number;
  /** How long an event may wait, in ms. Then it is rejected. Default 30 000. */
  readonly maxWaitMs?: number;
  /**
   * Limits of their own for event types and patterns; what they do not say is taken from above. A type wins over patterns, and of
   * patterns the first one that takes the type.
   */
  readonly limits?: Readonly<Record<string, Limit>>;
  /** Counts by what it returns, each value with a limit of its own: a tenant, a customer. Default: all count together. */
  readonly key?: (event: OutgoingEvent) => string;
  /** With `'shared'`, while the store fails: let all pass, or none. Default `'open'`. */
  readonly onStoreError?: 'open' | 'closed';
  /** `false`: nothing is limited. Default true. */
  readonly enabled?: boolean;
}

/** A limit with nothing left open. */
export interface Rule extends Required<Omit<Limit, 'timeWindow'>> {
  /** The pattern that it is for; empty for what no pattern takes. */
  readonly pattern: string;
}

/** The shortest window that processes can share, in ms: a slice of it must outlast a call of the store. */
const MIN_SHARED_MS = 100;
/** The longest time that a timer takes, in ms. */
const MAX_MS = 2 ** 31 - 1;

const refuse = (message: string): never => {
  throw new EventsError('EVENTS_CONFIG', `rateLimit(): ${message}`);
};

const checkObject = (name: string, value: unknown): void => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`\`${name}\` must be an object.`);
};

const checkWhole = (name: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): void => {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    refuse(`\`${name}\` must be a whole number from ${least} to ${most}.`);
};

const checkOneOf = (name: string, value: string, ...known: readonly string[]): void => {
  if (!known.includes(value)) refuse(`\`${name}\` must be ${known.map((each) => `'${each}'`).join(' or ')}.`);
};

const DEFAULTS: Rule = { pattern: '', maxRequests: 1000, timeWindowMs: 60_000, strategy: 'sliding-window' };

const windowOf = ({ timeWindowMs, timeWindow = timeWindowMs }: Limit): number | undefined => {
  if (timeWindowMs !== undefined && timeWindow !== timeWindowMs)
    refuse('`timeWindow` and `timeWindowMs` are two names for one thing, and differ: give one of the two.');
  return timeWindow;
};

/** A limit over `base`, which fills in what it leaves open. */
const ruleOf = (pattern: string, limit: Limit, base: Rule, shared: boolean): Rule => {
  const { maxRequests = base.maxRequests, strategy = base.strategy }: Limit = limit;
  const timeWindowMs = windowOf(limit) ?? base.timeWindowMs;
  checkWhole('maxRequests', maxRequests, 1);
  checkWhole('timeWindowMs', timeWindowMs, shared ? MIN_SHARED_MS : 1, MAX_MS);
  checkOneOf('strategy', strategy, 'sliding-window', 'token-bucket');
  return { pattern, maxRequests, timeWindowMs, strategy };
};

/** The options with their defaults. Throws `EVENTS_CONFIG` where they make no sense. */
export const settingsOf = (options: RateLimitOptions) => {
  checkObject('options', options);
  const {
    scope = 'process',
    onLimit = 'wait',
    maxQueued = 10_000,
    maxWaitMs = 30_000,
    limits = {},
    key,
    onStoreError = 'open',
    enabled = true,
  } = options;
  checkOneOf('scope', scope, 'process', 'shared');
  checkOneOf('onLimit', onLimit, 'wait', 'reject');
  checkOneOf('onStoreError', onStoreError, 'open', 'closed');
  checkWhole('maxQueued', maxQueued, 0);
  checkWhole('maxWaitMs', maxWaitMs, 1, MAX_MS);
  if (typeof enabled !== 'boolean') refuse('`enabled` must be true or false.');
  if (key !== undefined && typeof key !== 'function') refuse('`key` must be a function of the event.');
  checkObject('limits', limits);
  for (const [pattern, limit] of Object.entries(limits)) checkObject(`limits[${JSON.stringify(pattern)}]`, limit);
  const shared = scope === 'shared';
  const base = ruleOf('', options, DEFAULTS, shared);
  const rules = Object.entries(limits)
    .map(([pattern, limit]) => ruleOf(checkPattern(pattern), limit, base, shared))
    .sort((a, b) => Number(a.pattern.includes('*')) - Number(b.pattern.includes('*')));
  return { shared, waits: onLimit === 'wait', maxQueued, maxWaitMs, base, rules, key, onStoreError, enabled };
};
