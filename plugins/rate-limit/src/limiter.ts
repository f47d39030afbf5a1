import { asReason, EventsError, type OutgoingEvent, type Path, type Settle } from '@logistically/events-kernel';
import type { Allowance } from './allowance.ts';
import type { Rule } from './options.ts';

/** What all limiters of a plugin have in common. */
export interface Waiting {
  /** How many wait for their turn, over all limiters. */
  count: number;
  readonly max: number;
  readonly maxWaitMs: number;
  /** Whether an event waits for its turn; else it waits for an answer of the store at most. */
  readonly waits: boolean;
  /** Set while the kernel stops: until when, ms since the epoch. */
  stopBy: number | undefined;
  readonly tell: (reason: unknown) => void;
  readonly passOnError: boolean;
}

interface Held {
  readonly event: OutgoingEvent;
  readonly settle: Settle<OutgoingEvent>;
  readonly next: Path<OutgoingEvent>;
  /** In ms of `performance.now()`. */
  deadline: number;
}

/** After a store has failed it is asked again not before this many ms. */
const STORE_PAUSE_MS = 1000;

/** Passes a part of a batch on. What is thrown is the reason of those in it that are not settled, and of nobody else. */
export const send = (
  next: Path<OutgoingEvent>,
  part: readonly OutgoingEvent[],
  settle: Settle<OutgoingEvent>,
): void => {
  const open = new Set(part);
  let over = false;
  try {
    next(part, (event, reason) => {
      // All are settled by then.
      if (over) return;
      open.delete(event);
      settle(event, reason);
    });
  } catch (thrown) {
    over = true;
    for (const event of open) settle(event, asReason(thrown));
  }
};

/** Lets events pass as one limit allows; the others wait in the order in which they came. One timer, only while some wait. */
export class Limiter {
  readonly #rule: Rule;
  readonly #allowance: Allowance;
  readonly #waiting: Waiting;
  readonly #queue: Held[] = [];
  /** How many of the queue, from its front, wait for their turn; the rest waits for the store's answer first. */
  #counted = 0;
  #draining = false;
  #refilling = false;
  /** Nothing is asked of the store before, in ms of `performance.now()`. */
  #pausedUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(rule: Rule, allowance: Allowance, waiting: Waiting) {
    this.#rule = rule;
    this.#allowance = allowance;
    this.#waiting = waiting;
  }

  /** True when one more passes now. Never while others wait. */
  get admits(): boolean {
    return !this.#queue.length && !this.#draining && (this.#isOpen || this.#allowance.take(1) === 1);
  }

  /** Lets an event wait until `drain`; false when too many do. */
  hold(event: OutgoingEvent, settle: Settle<OutgoingEvent>, next: Path<OutgoingEvent>): boolean {
    const { count, max } = this.#waiting;
    // The store's answer may let pass as many as the limit, and have `max` wait: more than that are too many either way.
    if (this.#asks ? this.#queue.length - this.#counted >= max + this.#rule.maxRequests : count >= max) return false;
    this.#queue.push({ event, settle, next, deadline: performance.now() + this.#patienceMs });
    if (!this.#asks) this.#count(1);
    return true;
  }

  /** The kernel stops: what may pass does, the store's answer decides on what it is asked for, the rest is refused. */
  stop(): void {
    const bound = performance.now() + this.#patienceMs;
    for (const held of this.#queue) held.deadline = Math.min(held.deadline, bound);
    this.drain();
  }

  /** Passes on what may pass, rejects what has waited too long, and sees to the rest later. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (this.#expire(); this.#queue.length; this.#expire()) {
        const { length } = this.#queue;
        const count = this.#isOpen ? length : this.#allowance.take(length);
        if (count > 0) this.#release(count);
        else {
          if (this.#mayAsk) this.#refill();
          else if (!this.#refilling && !this.#isPatient) this.#refuse(this.#withdraw(length), this.#waiting.waits);
          break;
        }
      }
      if (!this.#refilling) this.#queueUp();
    } finally {
      this.#draining = false;
      this.#setTimer();
    }
  }

  /** Why an event does not pass. `stopped`: because the kernel stops, else it would have waited. */
  refusal({ type }: OutgoingEvent, stopped = false): EventsError {
    const { maxRequests, timeWindowMs } = this.#rule;
    const pauseMs = this.#pausedUntil - performance.now();
    // A timer may be a millisecond early.
    const retryAfterMs = Math.ceil(Math.max(this.#allowance.waitMs(), pauseMs, 0)) + 1;
    const message = `${type} was not published: the limit is ${maxRequests} in ${timeWindowMs} ms. Try again in ${retryAfterMs} ms, or raise the limit.`;
    return new EventsError('EVENTS_RATE_LIMITED', message, { retryAfterMs, uncounted: stopped });
  }

  /** True when nothing is lost by forgetting it. */
  get idle(): boolean {
    return !this.#queue.length && !this.#draining && !this.#refilling && this.#allowance.idle;
  }

  /** Whether only the store can tell what passes. */
  get #asks(): boolean {
    return this.#allowance.refill !== undefined;
  }

  /** How long an event may wait, in ms. While the kernel stops: no longer than half of what is left. */
  get #patienceMs(): number {
    const { maxWaitMs, stopBy } = this.#waiting;
    return stopBy === undefined ? maxWaitMs : Math.min(maxWaitMs, (stopBy - Date.now()) / 2);
  }

  get #isPatient(): boolean {
    return this.#waiting.waits && this.#waiting.stopBy === undefined;
  }

  /** Whether all may pass, because the store has failed. */
  get #isOpen(): boolean {
    return this.#pausedUntil > 0 && this.#waiting.passOnError && performance.now() < this.#pausedUntil;
  }

  get #mayAsk(): boolean {
    const { refill } = this.#allowance;
    return Boolean(
      refill && !this.#refilling && this.#allowance.waitMs() === 0 && performance.now() >= this.#pausedUntil,
    );
  }

  #refill(): void {
    this.#refilling = true;
    const answered = (failure?: { readonly reason: unknown }): void => {
      this.#refilling = false;
      if (failure) {
        this.#waiting.tell(failure.reason);
        this.#pausedUntil = performance.now() + STORE_PAUSE_MS;
      }
      this.drain();
    };
    this.#allowance.refill?.(this.#queue.length).then(
      () => answered(),
      (reason) => answered({ reason }),
    );
  }

  #count(by: number): void {
    this.#counted += by;
    this.#waiting.count += by;
  }

  #withdraw(count: number): Held[] {
    const held = this.#queue.splice(0, count);
    this.#count(-Math.min(this.#counted, held.length));
    return held;
  }

  /** `patient`: those that would have waited, did the kernel not stop. */
  #refuse(held: readonly Held[], patient: boolean): void {
    const stopped = patient && this.#waiting.stopBy !== undefined;
    for (const { event, settle } of held) settle(event, this.refusal(event, stopped));
  }

  /** After the store's answer: what it did not let pass waits for its turn, as far as there is room. */
  #queueUp(): void {
    const room = Math.max(0, this.#waiting.max - this.#waiting.count);
    const excess = this.#queue.splice(this.#counted + room);
    this.#count(this.#queue.length - this.#counted);
    this.#refuse(excess, false);
  }

  /** Passes the first ones on, as few batches as they have ways to be settled. */
  #release(count: number): void {
    const held = this.#withdraw(count);
    for (let begin = 0, end = 0; begin < held.length; begin = end) {
      const { settle, next } = held[begin] as Held;
      while (held[end]?.settle === settle && held[end]?.next === next) end++;
      const part = held.slice(begin, end).map(({ event }) => event);
      send(next, part, settle);
    }
  }

  #expire(): void {
    const now = performance.now();
    let late = 0;
    while ((this.#queue[late]?.deadline ?? Number.POSITIVE_INFINITY) <= now) late++;
    this.#refuse(this.#withdraw(late), true);
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const [first] = this.#queue;
    if (!first) return;
    const now = performance.now();
    const turn = this.#refilling
      ? Number.POSITIVE_INFINITY
      : Math.max(this.#allowance.waitMs(), this.#pausedUntil - now);
    this.#timer = setTimeout(() => this.drain(), Math.max(1, Math.ceil(Math.min(first.deadline - now, turn))));
  }
}
