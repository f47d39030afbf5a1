import type { Allowance } from './allowance.ts';
import type { Rule } from './options.ts';

/** What is in a bucket, and when that was so. */
export interface Level {
  readonly tokens: number;
  /** ms, of any clock that is always the same. */
  readonly time: number;
}

/** Sums of fractions come out a little short. */
const ROUNDING = 1e-9;

/** The level of a bucket after the time to `now`: it gains `maxRequests` per `timeWindowMs` and holds no more than that. */
export const levelAt = ({ maxRequests, timeWindowMs }: Rule, level: Level | undefined, now: number): Level => {
  if (!level) return { tokens: maxRequests, time: now };
  // The clock of another process may be ahead of ours.
  const time = Math.max(now, level.time);
  const gained = ((time - level.time) * maxRequests) / timeWindowMs;
  return { tokens: Math.min(maxRequests, level.tokens + gained), time };
};

/** How many whole tokens there are, up to `wanted`. */
export const wholeTokens = ({ tokens }: Level, wanted: number): number =>
  Math.max(0, Math.min(wanted, Math.floor(tokens + ROUNDING)));

/** ms until there is a whole token. */
export const tokenWaitMs = ({ maxRequests, timeWindowMs }: Rule, { tokens }: Level): number =>
  Math.max(0, ((1 - ROUNDING - tokens) * timeWindowMs) / maxRequests);

/** Lets up to `maxRequests` pass at once, then as many per `timeWindowMs`, evenly. */
export class TokenBucket implements Allowance {
  readonly #rule: Rule;
  #level: Level | undefined;

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  take(wanted: number): number {
    const level = levelAt(this.#rule, this.#level, performance.now());
    const count = wholeTokens(level, wanted);
    this.#level = { tokens: level.tokens - count, time: level.time };
    return count;
  }

  waitMs(): number {
    return tokenWaitMs(this.#rule, levelAt(this.#rule, this.#level, performance.now()));
  }

  get idle(): boolean {
    return levelAt(this.#rule, this.#level, performance.now()).tokens === this.#rule.maxRequests;
  }
}
