import type { Context } from './context.ts';
import { type Delivery, originOf } from './delivery.ts';
import type { Envelope } from './envelope.ts';
import { asReason, isThenable, type Settle } from './path.ts';

export type AnyHandler = (event: Envelope, delivery: Delivery) => unknown;

export interface Worker {
  /** Gives a delivery to the handler, and settles it by what the handler does with it. */
  readonly handle: (delivery: Delivery, settle: Settle<Delivery>) => void;
  /** How many deliveries it has, at work or waiting. */
  readonly busy: () => number;
}

/** A handler with its own limit; what comes above it waits its turn, in order. */
export const createWorker = (handler: AnyHandler, context: Context, concurrency: number): Worker => {
  const waiting: (readonly [Delivery, Settle<Delivery>])[] = [];
  /** The first of `waiting` that still waits: to shift a long array for each would cost more than the work. */
  let head = 0;
  let free = concurrency;

  // Apart, so that a handler that returns at once costs no closure.
  const finishLater = (result: Promise<unknown>, delivery: Delivery, settle: Settle<Delivery>): void => {
    const origin = originOf(delivery);
    origin._tried++;
    const finish = (reason?: unknown): void => {
      if (reason === undefined) origin._tried--;
      free++;
      settle(delivery, reason);
      proceed();
    };
    result.then(
      () => finish(),
      (thrown) => finish(asReason(thrown)),
    );
  };
  const run = (delivery: Delivery, settle: Settle<Delivery>): void => {
    // Time is up: what has not begun is handed back.
    if (delivery._session?.ended()) return;
    const envelope = delivery.envelope as Envelope;
    let later: Promise<unknown> | undefined;
    let reason: unknown;
    free--;
    try {
      const result = context.run(envelope, handler, envelope, delivery);
      // A promise of its own kind may throw, or call back twice: what comes of it is what `await` makes of it.
      if (isThenable(result)) later = Promise.resolve(result);
    } catch (thrown) {
      reason = asReason(thrown);
    }
    if (later) finishLater(later, delivery, settle);
    else {
      free++;
      if (reason !== undefined) originOf(delivery)._tried++;
      settle(delivery, reason);
    }
  };
  // A loop, not a recursion: thousands may wait for a handler that returns at once.
  const proceed = (): void => {
    while (free && waiting.length) {
      const [delivery, settle] = waiting[head++] as (typeof waiting)[number];
      if (2 * head >= waiting.length) {
        waiting.splice(0, head);
        head = 0;
      }
      run(delivery, settle);
    }
  };

  return {
    handle(delivery, settle) {
      if (free && !waiting.length) run(delivery, settle);
      else waiting.push([delivery, settle]);
      proceed();
    },
    busy: () => concurrency - free + waiting.length - head,
  };
};
