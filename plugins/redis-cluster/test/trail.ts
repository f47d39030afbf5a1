import { type CheckReport, check, createHistory, type Expectations } from '@logistically/events-conformance';
import type { Envelope, EventBus, EventOptions, HandlerContext } from '@logistically/events-kernel';
import { until } from './until.ts';

/** One call of a handler. */
export interface Call {
  readonly n: number;
  readonly attempt: number;
  readonly consumer: string;
  readonly context: HandlerContext;
}

export type Work = (n: number, context: HandlerContext) => unknown;

/** Writes down what is published and what is handled, and has the delivery checker judge it. Events are numbers. */
export class Trail {
  readonly history = createHistory();
  /** The handlings alone, by entry: what is published again since its answer was lost may be stored twice. */
  readonly entries = createHistory();
  readonly calls: Call[] = [];
  /** The events that some handler finished, as often as it did. */
  readonly done: number[] = [];
  readonly rejections: unknown[] = [];
  confirmed = 0;
  readonly #groups: readonly string[];
  /** Confirmed and not done, by group and number. */
  readonly #open = new Set<string>();
  readonly #finished = new Set<string>();

  /** `groups` should get every event. */
  constructor(groups: readonly string[] = ['shop']) {
    this.#groups = groups;
  }

  /** Publishes event number `n`. True when it was confirmed. Those of a partition are one key of the checker. */
  async publish(kernel: EventBus, type: string, n: number, options?: EventOptions): Promise<boolean> {
    const fact = { fact: 'publish', id: String(n), key: options?.key ?? `${type}#${options?.partition ?? 0}` } as const;
    this.history.record({ ...fact, confirmed: false });
    try {
      await kernel.publish(type, { n }, options);
    } catch (reason) {
      this.rejections.push(reason);
      return false;
    }
    this.confirmed++;
    this.history.record(fact);
    for (const group of this.#groups) {
      const handling = `${group}/${n}`;
      if (!this.#finished.has(handling)) this.#open.add(handling);
    }
    return true;
  }

  /** Publishes the events `from` to `to`, without waiting for one before the next, in turn to the partitions below `partitions`. */
  async publishAll(kernel: EventBus, type: string, from: number, to: number, partitions = 1): Promise<void> {
    const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
    await Promise.all(numbers.map((n) => this.publish(kernel, type, n, { partition: n % partitions })));
  }

  /** A handler that writes down its calls. */
  handler(consumer: string, work: Work = () => {}): (event: Envelope, context: HandlerContext) => Promise<void> {
    return async ({ body }, context) => {
      const { n } = body as { readonly n: number };
      const { attempt, group, cursor } = context;
      const handling = { group, consumer, attempt };
      const tell = (fact: 'deliver' | 'fail' | 'settle'): void => {
        this.history.record({ fact, id: String(n), ...handling });
        this.entries.record({ fact, id: `${n} at ${cursor}`, ...handling });
      };
      this.calls.push({ n, attempt, consumer, context });
      tell('deliver');
      try {
        await work(n, context);
      } catch (reason) {
        tell('fail');
        throw reason;
      }
      this.done.push(n);
      this.#finished.add(`${group}/${n}`);
      this.#open.delete(`${group}/${n}`);
      tell('settle');
    };
  }

  /** Whether everything that was confirmed has been handled. */
  get complete(): boolean {
    return this.#open.size === 0;
  }

  /** Waits until it is; `deadlineMs` only bounds a failure. */
  whenComplete(deadlineMs?: number): Promise<void> {
    return until(
      () => this.complete,
      () => this.check({ limit: 5 }),
      deadlineMs,
    );
  }

  check(expectations?: Expectations): CheckReport {
    const { concurrent } = check(this.entries, expectations);
    return { ...check(this.history, { groups: this.#groups, ...expectations }), concurrent };
  }
}
