import { type CheckReport, check, createHistory, type Expectations } from '@logistically/events-conformance';
import type { Envelope, EventBus, EventOptions, HandlerContext } from '@logistically/events-kernel';
import { until } from './until.ts';

/** What the events of these tests carry: a number that names them. */
interface Body {
  readonly n: number;
}

type Work = (n: number, context: HandlerContext) => unknown;

/** Writes down what is published and what is handled, and has the delivery checker judge it. */
export class Trail {
  readonly history = createHistory();
  /** The handlings alone, by entry: what is published again since its answer was lost may be stored twice. */
  readonly #entries = createHistory();
  /** The events that some handler finished, as often as it did. */
  readonly done: number[] = [];
  /** When each event was confirmed, ms since the epoch. */
  readonly confirmed = new Map<number, number>();
  readonly rejections: unknown[] = [];
  readonly #groups: readonly string[];
  /** Confirmed and not done: the groups that lack it, by number. */
  readonly #open = new Map<number, Set<string>>();
  readonly #finished = new Set<string>();

  /** `groups` should get every event. */
  constructor(groups: readonly string[] = ['shop']) {
    this.#groups = groups;
  }

  /** Publishes event number `n`. True when it was confirmed. */
  async publish(kernel: EventBus, type: string, n: number, options?: EventOptions): Promise<boolean> {
    const fact = { fact: 'publish', id: String(n), key: options?.key ?? type } as const;
    this.history.record({ ...fact, confirmed: false });
    try {
      await kernel.publish(type, { n }, options);
    } catch (reason) {
      this.rejections.push(reason);
      return false;
    }
    this.confirmed.set(n, Date.now());
    this.history.record(fact);
    const lacking = this.#groups.filter((group) => !this.#finished.has(`${group}/${n}`));
    if (lacking.length > 0) this.#open.set(n, new Set(lacking));
    return true;
  }

  /** Publishes the events `from` to `to`, without waiting for one before the next. Resolves when all are settled. */
  async publishAll(kernel: EventBus, type: string, from: number, to: number): Promise<void> {
    await Promise.all(Array.from({ length: to - from + 1 }, (_, index) => this.publish(kernel, type, from + index)));
  }

  /** A handler that writes down its calls. */
  handler(consumer: string, work: Work = () => {}): (event: Envelope, context: HandlerContext) => Promise<void> {
    return async ({ body }, context) => {
      const { n } = body as Body;
      const { attempt, group, cursor } = context;
      const handling = { group, consumer, attempt };
      const tell = (fact: 'deliver' | 'fail' | 'settle'): void => {
        this.history.record({ fact, id: String(n), ...handling });
        this.#entries.record({ fact, id: `${n} at ${cursor}`, ...handling });
      };
      tell('deliver');
      try {
        await work(n, context);
      } catch (reason) {
        tell('fail');
        throw reason;
      }
      this.done.push(n);
      tell('settle');
      this.#finish(n, group);
    };
  }

  /** Confirmed events that some group has not handled. */
  get missing(): number[] {
    return [...this.#open.keys()];
  }

  /** Waits until everything that was confirmed has been handled; `deadlineMs` only bounds a failure. */
  whenComplete(deadlineMs?: number): Promise<void> {
    return until(
      () => this.#open.size === 0,
      () => this.check({ limit: 5 }),
      deadlineMs,
    );
  }

  check(expectations?: Expectations): CheckReport {
    const { concurrent } = check(this.#entries, expectations);
    return { ...check(this.history, { groups: this.#groups, ...expectations }), concurrent };
  }

  #finish(n: number, group: string): void {
    this.#finished.add(`${group}/${n}`);
    const lacking = this.#open.get(n);
    lacking?.delete(group);
    if (lacking?.size === 0) this.#open.delete(n);
  }
}
