import type { Envelope, HandlerContext } from '@logistically/events-kernel';

/** One call of a handler. */
interface Arrival<Body = unknown> {
  readonly body: Body;
  readonly envelope: Envelope;
  readonly context: HandlerContext;
  readonly attempt: number;
  /** Counts the calls of this subscription, from 1. */
  readonly number: number;
  /** When the handler was called, ms since the epoch. */
  readonly time: number;
  /** Whether the handler succeeded; undefined while it runs. */
  done: boolean | undefined;
}

export type ArrivalHandler<Body = unknown> = (arrival: Arrival<Body>) => unknown;

const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | undefined)?.then === 'function';

/** What a subscription was called with, in order. */
export class Arrivals<Body = unknown> {
  readonly all: Arrival<Body>[] = [];
  /** Ends the subscription. Set once it is open. */
  unsubscribe: (timeoutMs?: number) => Promise<void> = async () => {};
  readonly #handle: ArrivalHandler<Body>;

  constructor(handle: ArrivalHandler<Body>) {
    this.#handle = handle;
  }

  get bodies(): Body[] {
    return this.all.map(({ body }) => body);
  }

  /** The bodies that were handled to the end. */
  get done(): Body[] {
    return this.all.filter(({ done }) => done).map(({ body }) => body);
  }

  /** The attempts at which one body came, in order. */
  attemptsOf(body: Body): number[] {
    return this.all.filter((arrival) => arrival.body === body).map(({ attempt }) => attempt);
  }

  readonly handler = (envelope: Envelope, context: HandlerContext): unknown => {
    const arrival: Arrival<Body> = {
      body: envelope.body as Body,
      envelope,
      context,
      attempt: context.attempt,
      number: this.all.length + 1,
      time: Date.now(),
      done: undefined,
    };
    this.all.push(arrival);
    let result: unknown;
    try {
      result = this.#handle(arrival);
    } catch (thrown) {
      arrival.done = false;
      throw thrown;
    }
    // Without a promise it settles within the call, as a handler may.
    if (!isPromiseLike(result)) {
      arrival.done = true;
      return undefined;
    }
    return result.then(
      () => {
        arrival.done = true;
      },
      (thrown) => {
        arrival.done = false;
        throw thrown;
      },
    );
  };
}
