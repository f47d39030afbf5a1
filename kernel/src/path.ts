import { EventsError, isEventsError } from './error.ts';

export type Awaitable<T> = T | PromiseLike<T>;

/** Called once for every event of the batch: without a reason it is done, with one it is not. */
export type Settle<E> = (event: E, reason?: unknown) => void;

/** Takes a batch; every event in it is settled exactly once, in any order, now or later. */
export type Path<E> = (batch: readonly E[], settle: Settle<E>) => void;

/** Wraps a path. Called once, when the kernel starts; the path that it returns runs for every batch. */
export type Layer<E> = (next: Path<E>) => Path<E>;

/** What those who settle read of a reason. */
const READ = ['code', 'permanent', 'retryAfterMs', 'uncounted', 'cause'];

/**
 * A reason that is never `undefined`, which would mean done (`throw undefined` is a failure too), and that can be read: whoever settles
 * looks at it.
 */
export const asReason = (thrown: unknown): unknown => {
  try {
    for (const key of READ) Reflect.get(Object(thrown), key);
    isEventsError(thrown);
    if (thrown != null) return thrown;
  } catch {
    // Told below.
  }
  return new EventsError('EVENTS_UNSETTLED', 'It failed without a reason, or one that cannot be read: throw an Error.');
};

/** Whether a value is a promise, of whatever kind. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';

/** Puts the layers around `end`, the first one outermost. */
export const compose = <E>(layers: readonly Layer<E>[], end: Path<E>): Path<E> =>
  layers.reduceRight((next, layer) => layer(next), end);

/** Gives a batch to a path. What the path throws is the reason of every event. */
export const pass = <E>(path: Path<E>, batch: readonly E[], settle: Settle<E>): void => {
  try {
    path(batch, settle);
  } catch (thrown) {
    for (const event of batch) settle(event, asReason(thrown));
  }
};

/** A path that calls `handler` for each event: a return settles it, a throw or rejection settles it with the reason. */
export const each =
  <E>(handler: (event: E) => unknown): Path<E> =>
  (batch, settle) => {
    for (const event of batch) {
      let result: unknown;
      let reason: unknown;
      try {
        result = handler(event);
      } catch (thrown) {
        reason = asReason(thrown);
      }
      if (isThenable(result))
        result.then(
          () => settle(event),
          (thrown) => settle(event, asReason(thrown)),
        );
      else settle(event, reason);
    }
  };

/** A path over a whole batch: resolves with the reasons of the events that are not done; a rejection is everyone's reason. */
export const promised =
  <E>(work: (batch: readonly E[]) => Awaitable<ReadonlyMap<E, unknown> | void>): Path<E> =>
  (batch, settle) => {
    (async () => work(batch))().then(
      (reasons) => {
        for (const event of batch) settle(event, reasons?.has(event) ? asReason(reasons.get(event)) : undefined);
      },
      (thrown) => {
        for (const event of batch) settle(event, asReason(thrown));
      },
    );
  };

/** A layer that lets pass what `keep` accepts. The others are settled as done: they are not for us. */
export const filter =
  <E>(keep: (event: E) => boolean): Layer<E> =>
  (next) =>
  (batch, settle) => {
    const kept: E[] = [];
    for (const event of batch) {
      let keeps = false;
      let reason: unknown;
      try {
        keeps = keep(event);
      } catch (thrown) {
        reason = asReason(thrown);
      }
      if (keeps) kept.push(event);
      else settle(event, reason);
    }
    if (kept.length) next(kept, settle);
  };

/**
 * A layer that replaces each event by another (see `derive`) and settles the original with it. A throw or rejection settles
 * that event alone. The order of the batch is kept: where one replacement is a promise, the batch goes on when all are there.
 */
export const transform =
  <E>(replace: (event: E) => Awaitable<E>): Layer<E> =>
  (next) =>
  (batch, settle) => {
    const origins = new Map<E, E>();
    const settleOrigin: Settle<E> = (event, reason) => {
      const origin = origins.get(event);
      if (origins.delete(event)) settle(origin as E, reason);
    };
    const forward = (outcomes: readonly PromiseSettledResult<E>[]): void => {
      outcomes.forEach((outcome, index) => {
        if (outcome.status === 'fulfilled') origins.set(outcome.value, batch[index] as E);
        else settle(batch[index] as E, asReason(outcome.reason));
      });
      const replaced = [...origins.keys()];
      if (replaced.length) pass(next, replaced, settleOrigin);
    };
    const results = batch.map((event) => {
      try {
        return replace(event);
      } catch (thrown) {
        return Promise.reject(thrown);
      }
    });
    if (results.some(isThenable)) Promise.allSettled(results).then(forward);
    else forward(results.map((value) => ({ status: 'fulfilled', value: value as E })));
  };
