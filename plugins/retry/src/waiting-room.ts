const GRID_MS = 10;
/** A timer takes no more than 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What waits for its time. What is due within the same 10 ms goes together, in order: one timer for all of it. */
export class WaitingRoom<T> {
  readonly #due = new Map<number, { readonly entries: T[]; readonly timer: NodeJS.Timeout }>();
  readonly #release: (entries: readonly T[]) => void;

  constructor(release: (entries: readonly T[]) => void) {
    this.#release = release;
  }

  /** Releases `entry` not before `delayMs`, and at most 10 ms later. */
  add(entry: T, delayMs: number): void {
    // Not the time of day, which may be set back.
    const at = Math.ceil((performance.now() + delayMs) / GRID_MS);
    const found = this.#due.get(at);
    if (found) found.entries.push(entry);
    else this.#due.set(at, { entries: [entry], timer: this.#timer(at) });
  }

  /** Releases all at once, the first due first. */
  flush(): void {
    const all = [...this.#due].sort(([a], [b]) => a - b);
    this.#due.clear();
    for (const [, { timer }] of all) clearTimeout(timer);
    const entries = all.flatMap(([, slot]) => slot.entries);
    if (entries.length) this.#release(entries);
  }

  #timer(at: number): NodeJS.Timeout {
    return setTimeout(() => this.#open(at), Math.min(at * GRID_MS - performance.now(), LONGEST_TIMER_MS));
  }

  #open(at: number): void {
    const entries = this.#due.get(at)?.entries ?? [];
    // A timer may fire early: by its own limit, or by a millisecond.
    if (performance.now() < at * GRID_MS) {
      this.#due.set(at, { entries, timer: this.#timer(at) });
      return;
    }
    this.#due.delete(at);
    this.#release(entries);
  }
}
