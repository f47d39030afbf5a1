import type { Allowance } from './allowance.ts';
import type { Rule } from './options.ts';

/** Events that passed at nearly the same time count as one entry, until the window of the last of them is over. */
interface Run {
  readonly first: number;
  last: number;
  count: number;
}

/** Into how many runs a full window is divided at most. */
const RUNS = 100;

/**
 * Never more than `maxRequests` in any stretch of `timeWindowMs`. A log of runs instead of single events: its size does not grow
 * with the limit, and an event counts up to a hundredth of the window too long, never too short.
 */
export class SlidingWindow implements Allowance {
  readonly #rule: Rule;
  readonly #runs: Run[] = [];
  #used = 0;

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  take(wanted: number): number {
    const now = performance.now();
    this.#forget(now);
    const count = Math.min(wanted, this.#rule.maxRequests - this.#used);
    if (count <= 0) return 0;
    this.#used += count;
    const run = this.#runs.at(-1);
    if (run && now - run.first < this.#rule.timeWindowMs / RUNS) {
      run.last = now;
      run.count += count;
    } else this.#runs.push({ first: now, last: now, count });
    return count;
  }

  waitMs(): number {
    const now = performance.now();
    this.#forget(now);
    const [oldest] = this.#runs;
    if (!oldest || this.#used < this.#rule.maxRequests) return 0;
    return oldest.last + this.#rule.timeWindowMs - now;
  }

  get idle(): boolean {
    this.#forget(performance.now());
    return this.#used === 0;
  }

  #forget(now: number): void {
    for (let run = this.#runs[0]; run && run.last + this.#rule.timeWindowMs <= now; run = this.#runs[0]) {
      this.#used -= run.count;
      this.#runs.shift();
    }
  }
}
