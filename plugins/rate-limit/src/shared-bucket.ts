import type { Store } from '@logistically/events-kernel';
import type { Allowance } from './allowance.ts';
import type { Rule } from './options.ts';
import { type Level, levelAt, tokenWaitMs, wholeTokens } from './token-bucket.ts';

/** How often a change is tried anew after somebody else was faster, before it counts as a failure of this turn. */
const TRIES = 5;

const read = (text: string | undefined): Level | undefined => {
  const [tokens, time] = (text ?? '').split('@').map(Number);
  return Number.isFinite(tokens) && Number.isFinite(time)
    ? { tokens: tokens as number, time: time as number }
    : undefined;
};

/**
 * A token bucket that processes share: its level is one text in the store, changed by compare-and-set. Tokens are fetched a few at a
 * time; those that are not used within a tenth of the window lapse.
 */
export class SharedBucket implements Allowance {
  readonly #rule: Rule;
  readonly #place: string;
  readonly #store: () => Store;
  #left = 0;
  // In ms of `performance.now()`: the time of day may be set back.
  #lapseAt = 0;
  #emptyUntil = 0;
  /** As it was last seen in the store. */
  #seen: string | undefined;

  constructor(rule: Rule, place: string, store: () => Store) {
    this.#rule = rule;
    this.#place = place;
    this.#store = store;
  }

  take(wanted: number): number {
    if (performance.now() >= this.#lapseAt) this.#left = 0;
    const count = Math.min(wanted, this.#left);
    this.#left -= count;
    return count;
  }

  waitMs(): number {
    return this.#left > 0 ? 0 : Math.max(0, this.#emptyUntil - performance.now());
  }

  get idle(): boolean {
    return performance.now() >= Math.max(this.#lapseAt, this.#emptyUntil);
  }

  async refill(wanted: number): Promise<void> {
    const { maxRequests, timeWindowMs } = this.#rule;
    const store = this.#store();
    for (let tries = 0; tries < TRIES; tries++) {
      const begun = performance.now();
      const now = Date.now();
      const level = levelAt(this.#rule, read(this.#seen), now);
      const count = wholeTokens(level, Math.max(wanted, Math.ceil(maxRequests / 100)));
      const text = `${level.tokens - count}@${level.time}`;
      // A bucket that nobody touches for a window is full: as one that is not there.
      if (count && (await store.compareAndSet(this.#place, this.#seen, text, { ttlMs: timeWindowMs }))) {
        this.#seen = text;
        this.#left = count;
        this.#lapseAt = begun + timeWindowMs / 10;
        return;
      }
      const seen = await store.get(this.#place);
      if (!count && seen === this.#seen) {
        this.#emptyUntil = begun + Math.ceil(tokenWaitMs(this.#rule, level));
        return;
      }
      this.#seen = seen;
    }
    this.#emptyUntil = performance.now() + 1 + Math.random() * 10;
  }
}
