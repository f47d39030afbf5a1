import type { Store } from '@logistically/events-kernel';
import type { Allowance } from './allowance.ts';
import type { Rule } from './options.ts';

/** Into how many slices a window is divided. */
const SLICES = 10;

/**
 * A sliding window that processes share: a counter in the store for each slice of it. The present slice and the ten before it, which
 * any stretch of `timeWindowMs` lies within, never hold more than `maxRequests` together. A few are reserved at a time and used within
 * their slice or given back. A slice is told by the clock of the process: clocks that differ add their difference to the window.
 */
export class SharedWindow implements Allowance {
  readonly #rule: Rule;
  readonly #sliceMs: number;
  readonly #place: string;
  readonly #store: () => Store;
  /** What slices that are over hold, as the store told. */
  readonly #past = new Map<number, number>();
  /** The slice that `#left` is reserved in. */
  #slice = 0;
  #left = 0;
  #fullUntil = 0;

  constructor(rule: Rule, place: string, store: () => Store) {
    this.#rule = rule;
    this.#sliceMs = rule.timeWindowMs / SLICES;
    this.#place = place;
    this.#store = store;
  }

  take(wanted: number): number {
    if (!this.#left || this.#now !== this.#slice) return 0;
    const count = Math.min(wanted, this.#left);
    this.#left -= count;
    return count;
  }

  waitMs(): number {
    return this.#left && this.#now === this.#slice ? 0 : Math.max(0, this.#fullUntil - Date.now());
  }

  get idle(): boolean {
    return this.#now > this.#slice && Date.now() >= this.#fullUntil;
  }

  async refill(wanted: number): Promise<void> {
    const { maxRequests } = this.#rule;
    const slice = this.#now;
    await this.#giveBack();
    const past = await this.#countPast(slice);
    const free = maxRequests - past;
    if (free <= 0) return this.#waitFor(slice, 0);
    const asked = Math.min(free, Math.max(wanted, Math.ceil(maxRequests / 100)));
    const sum = await this.#add(slice, asked);
    const excess = Math.min(asked, Math.max(0, sum - free));
    if (excess) await this.#add(slice, -excess);
    this.#slice = slice;
    this.#left = asked - excess;
    if (!this.#left) this.#waitFor(slice, Math.min(free, sum - excess));
    // The answer may have come too late for its slice: then others count without it.
    else if (this.#now !== slice) await this.#giveBack();
  }

  get #now(): number {
    return Math.floor(Date.now() / this.#sliceMs);
  }

  #key(slice: number): string {
    return `${this.#place}:${slice}`;
  }

  #add(slice: number, count: number): Promise<number> {
    return this.#store().increment(this.#key(slice), count, { ttlMs: this.#sliceMs * (SLICES + 2) });
  }

  async #giveBack(): Promise<void> {
    const count = this.#left;
    this.#left = 0;
    if (count && this.#now - this.#slice < SLICES) await this.#add(this.#slice, -count);
  }

  async #countPast(slice: number): Promise<number> {
    for (const known of this.#past.keys()) if (known < slice - SLICES || known >= slice) this.#past.delete(known);
    const missing = Array.from({ length: SLICES }, (_, index) => slice - SLICES + index).filter(
      (each) => !this.#past.has(each),
    );
    const store = this.#store();
    await Promise.all(
      missing.map(async (each) => {
        const count = Number((await store.get(this.#key(each))) ?? 0);
        this.#past.set(each, Math.max(0, count));
      }),
    );
    let sum = 0;
    for (const count of this.#past.values()) sum += count;
    return sum;
  }

  /** Nothing passes until so many slices are out of the window that there is room. */
  #waitFor(slice: number, present: number): void {
    let held = present;
    for (const count of this.#past.values()) held += count;
    let end = slice + 1;
    for (; end < slice + SLICES + 1; end++) {
      held -= this.#past.get(end - 1 - SLICES) ?? 0;
      if (held < this.#rule.maxRequests) break;
    }
    this.#fullUntil = end * this.#sliceMs;
  }
}
