const SLOTS = 10;

/** Counts two things over a sliding window of `windowMs`, in ten slots. */
export class Tally {
  readonly #slotMs: number;
  readonly #first = new Float64Array(SLOTS);
  readonly #second = new Float64Array(SLOTS);
  #slot = 0;

  constructor(windowMs: number) {
    this.#slotMs = windowMs / SLOTS;
  }

  /** Adds to both at the time `now`, in ms. */
  add(first: number, second: number, now: number): void {
    const at = this.#turn(now);
    this.#first[at] = (this.#first[at] ?? 0) + first;
    this.#second[at] = (this.#second[at] ?? 0) + second;
  }

  /** What both come to in the window that ends at `now`, in ms. */
  sums(now: number): readonly [number, number] {
    this.#turn(now);
    const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
    return [sum(this.#first), sum(this.#second)];
  }

  clear(): void {
    this.#first.fill(0);
    this.#second.fill(0);
  }

  /** Empties the slots that have gone by. A clock that is set back stays in the slot where it was. */
  #turn(now: number): number {
    const slot = Math.floor(now / this.#slotMs);
    for (let passed = Math.max(this.#slot + 1, slot - SLOTS + 1); passed <= slot; passed++) {
      this.#first[passed % SLOTS] = 0;
      this.#second[passed % SLOTS] = 0;
    }
    this.#slot = Math.max(this.#slot, slot);
    return this.#slot % SLOTS;
  }
}
