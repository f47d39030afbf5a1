import { type BenchBody, seqTotal } from './body.ts';
import { now } from './clock.ts';
import type { Figures } from './part.ts';
import { quantile } from './statistics.ts';
import { WARM_UP_SHARE } from './warm-up.ts';

/** Counts what a handler saw, the same for us and for the references. */
export class Tally {
  readonly #expected: number;
  #resolve: () => void = () => {};
  protected count = 0;
  #sum = 0;
  /** Resolves when as many as expected were seen. */
  readonly complete: Promise<void>;

  constructor(expected: number) {
    this.#expected = expected;
    this.complete = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  add(body: BenchBody): void {
    this.#sum += body.seq;
    if (++this.count === this.#expected) this.#resolve();
  }

  figures(): Figures {
    return {};
  }

  /** Throws unless every event was seen, and once. */
  verify(): void {
    const total = seqTotal(this.#expected);
    if (this.count !== this.#expected || this.#sum !== total)
      throw new Error(
        `A handler saw ${this.count} events (sum ${this.#sum}) instead of ${this.#expected} (sum ${total}).`,
      );
  }
}

/** Notes also how long each event was on its way, in µs. Judges the last fifth: what falls behind shows there. */
export class TimedTally extends Tally {
  readonly #latencies: Float64Array;

  constructor(expected: number) {
    super(expected);
    this.#latencies = new Float64Array(expected);
  }

  override add(body: BenchBody): void {
    this.#latencies[this.count] = now() - body.sentAt;
    super.add(body);
  }

  override figures(): Figures {
    const judged = this.#latencies.subarray(this.#latencies.length * WARM_UP_SHARE);
    return { p50: quantile(judged, 0.5), p99: quantile(judged, 0.99) };
  }
}

/** Throws unless two counts are equal. */
export const expectCount = (what: string, actual: unknown, expected: number): void => {
  if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}.`);
};
