/** The deliveries that a subscription may have in its hands at a time. Lanes that share it must not fill a seat twice. */
export class Seats {
  free: number;
  /** Those who want to know when a seat is free: whoever took some last is told last. */
  readonly lanes = new Set<() => void>();
  /** Feeds of the subscription, over all of its lanes. */
  feeds = 0;
  #held = 0;

  constructor(concurrency: number) {
    this.free = concurrency;
  }

  get shared(): boolean {
    return this.lanes.size > 1;
  }

  /** Free, and not held for what is on its way. */
  get available(): number {
    return this.free - this.#held;
  }

  hold(count: number): void {
    this.#held += count;
  }

  freed(): void {
    for (const lane of this.lanes) lane();
  }
}

/** Seats that a lane holds for what it is about to get. */
export class Hold {
  readonly #lane: () => void;
  readonly #held: (readonly [seats: Seats, count: number])[] = [];

  constructor(lane: () => void) {
    this.#lane = lane;
  }

  take(seats: Seats, count: number): void {
    seats.hold(count);
    this.#held.push([seats, count]);
    if (seats.lanes.delete(this.#lane)) seats.lanes.add(this.#lane);
  }

  /** Gives all of them up: what came takes its seats now, the others are for whoever waits. */
  release(): void {
    for (const [seats, count] of this.#held.splice(0)) {
      seats.hold(-count);
      if (seats.shared) seats.freed();
    }
  }
}
