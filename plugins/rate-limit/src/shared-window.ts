import type { Store } from '@logistically/events-kernel';
import type { Allowance } from './allowance.ts';
import type { Rule } from './options.ts';

/** Into how many slices a window is divided. */
const SLICES = 10;
/** How often a change is tried anew after somebody else was faster, before it counts as a failure of this turn. */
const TRIES = 5;

/**
 * A sliding window that processes share: a counter in the store for each slice of it. The present slice and the ten before it, which
 * any stretch of `timeWindowMs` lies within, never hold more than `maxRequests` together. A few are reserved at a time and used within
 * their slice or given back. Which slice is the present one is in the store too, and is told by the clock that is ahead of the others:
 * who is behind follows it, so that nobody counts in a slice that others take for over.
 */
export class SharedWindow implements Allowance {
  readonly #rule: Rule;
  readonly #sliceMs: number;
  readonly #place: string;
  readonly #store: () => Store;
  /** What slices that are over hold, as the store told. */
  readonly #past = new Map<number, number>();
  /** When that was, in ms of `performance.now()`. */
  #pastAt = 0;
  /** The present slice as the store told it last. */
  #seen: string | undefined;
  /** The slice that `#left` is reserved in. */
  #slice = 0;
  #left = 0;
  // In ms of `performance.now()`: the time of day may be set back.
  #lapseAt = 0;
  #fullUntil = 0;

  constructor(rule: Rule, place: string, store: () => Store) {
    this.#rule = rule;
    this.#sliceMs = rule.timeWindowMs / SLICES;
    this.#place = place;
    this.#store = store;
  }

  take(wanted: number): number {
    if (!this.#usable) return 0;
    const count = Math.min(wanted, this.#left);
    this.#left -= count;
    return count;
  }

  waitMs(): number {
    return this.#usable ? 0 : Math.max(0, this.#fullUntil - performance.now());
  }

  get idle(): boolean {
    return performance.now() >= Math.max(this.#lapseAt, this.#fullUntil);
  }

  async refill(wanted: number): Promise<void> {
    await this.#giveBack();
    for (let tries = 1; tries < TRIES; tries++) if (await this.#reserve(wanted)) return;
    // The store is slower than a slice, or others turn to the next one all the time: one by one it goes.
    if (!(await this.#reserveOne())) this.#fullUntil = performance.now() + 1 + Math.random() * this.#sliceMs;
  }

  /** False when the slice was over before its answer came. */
  async #reserve(wanted: number): Promise<boolean> {
    const { maxRequests } = this.#rule;
    const slice = await this.#enter();
    const free = maxRequests - (await this.#countPast(slice));
    if (free <= 0) return this.#waitFor(slice, 0);
    const asked = Math.min(free, Math.max(wanted, Math.ceil(maxRequests / 100)));
    const sum = await this.#add(slice, asked);
    // After the next one has begun others count without it.
    const isPresent = (await this.#present()) === String(slice);
    const excess = isPresent ? Math.min(asked, Math.max(0, sum - free)) : asked;
    if (excess) await this.#add(slice, -excess);
    if (!isPresent) return false;
    if (excess === asked) return this.#waitFor(slice, Math.min(free, sum - excess));
    await this.#stay(slice);
    const own = this.#own;
    const usableMs = own === slice ? (slice + 1) * this.#sliceMs - Date.now() : own < slice ? this.#sliceMs / 10 : 0;
    this.#keep(slice, asked - excess, usableMs);
    if (!this.#usable) await this.#giveBack();
    return this.#usable;
  }

  /** Counts one, and then whether the window holds too many with it, whichever slice is the present one by now. */
  async #reserveOne(): Promise<boolean> {
    const slice = await this.#enter();
    await this.#add(slice, 1);
    const latest = Number((await this.#present()) ?? slice);
    this.#past.clear();
    const [recent, first] = await Promise.all([this.#countPast(latest + 1), this.#count(latest - SLICES)]);
    const fits = recent + first <= this.#rule.maxRequests;
    if (fits) await this.#stay(latest);
    this.#keep(slice, 1, this.#sliceMs / 10);
    if (!fits) await this.#giveBack();
    return fits;
  }

  #keep(slice: number, count: number, usableMs: number): void {
    this.#slice = slice;
    this.#left = count;
    this.#lapseAt = performance.now() + usableMs;
  }

  get #usable(): boolean {
    return this.#left > 0 && performance.now() < this.#lapseAt;
  }

  /** The slice that it is by the clock of this process. */
  get #own(): number {
    return Math.floor(Date.now() / this.#sliceMs);
  }

  get #keepMs(): number {
    return this.#sliceMs * (SLICES + 2);
  }

  #key(slice: number): string {
    return `${this.#place}:${slice}`;
  }

  async #present(): Promise<string | undefined> {
    this.#seen = await this.#store().get(`${this.#place}:now`);
    return this.#seen;
  }

  /** Sees to it that the present slice is not before our own; returns it. */
  async #enter(): Promise<number> {
    for (let tries = 0; tries < TRIES; tries++) {
      const own = this.#own;
      // Most often it is the one that was seen last, or the next one and nobody else was faster.
      if (this.#seen === undefined || Number(this.#seen) >= own) await this.#present();
      if (this.#seen !== undefined && Number(this.#seen) >= own) return Number(this.#seen);
      if (await this.#setPresent(this.#seen, own)) return own;
      await this.#present();
    }
    return Math.max(this.#own, Number(this.#seen ?? 0));
  }

  async #setPresent(known: string | undefined, slice: number): Promise<boolean> {
    const text = String(slice);
    const done = await this.#store().compareAndSet(`${this.#place}:now`, known, text, { ttlMs: this.#keepMs });
    if (done) this.#seen = text;
    return done;
  }

  /** Where all clocks were set back the present slice stays while what passed in it counts, and is forgotten then. */
  async #stay(slice: number): Promise<void> {
    if (this.#own < slice) await this.#setPresent(String(slice), slice);
  }

  #add(slice: number, count: number): Promise<number> {
    return this.#store().increment(this.#key(slice), count, { ttlMs: this.#keepMs });
  }

  async #giveBack(): Promise<void> {
    const count = this.#left;
    this.#left = 0;
    if (count && performance.now() - this.#lapseAt < this.#rule.timeWindowMs - this.#sliceMs)
      await this.#add(this.#slice, -count);
  }

  async #countPast(slice: number): Promise<number> {
    const now = performance.now();
    // So long without a look the present slice may have been forgotten and have begun anew, further back.
    if (now - this.#pastAt > this.#rule.timeWindowMs) this.#past.clear();
    this.#pastAt = now;
    for (const known of this.#past.keys()) if (known < slice - SLICES || known >= slice) this.#past.delete(known);
    const missing = Array.from({ length: SLICES }, (_, index) => slice - SLICES + index).filter(
      (each) => !this.#past.has(each),
    );
    await Promise.all(missing.map(async (each) => this.#past.set(each, await this.#count(each))));
    let sum = 0;
    for (const count of this.#past.values()) sum += count;
    return sum;
  }

  async #count(slice: number): Promise<number> {
    return Math.max(0, Number((await this.#store().get(this.#key(slice))) ?? 0));
  }

  /** Nothing passes until so many slices are out of the window that there is room. */
  #waitFor(slice: number, present: number): true {
    let held = present;
    for (const count of this.#past.values()) held += count;
    let end = slice + 1;
    for (; end < slice + SLICES + 1; end++) {
      held -= this.#past.get(end - 1 - SLICES) ?? 0;
      if (held < this.#rule.maxRequests) break;
    }
    const gone = Date.now() - this.#own * this.#sliceMs;
    this.#fullUntil = performance.now() + (end - slice) * this.#sliceMs - gone;
    return true;
  }
}
