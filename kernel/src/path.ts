import { EventsError } from './error.ts';

export type Awaitable<T> = T | PromiseLike<T>;

/** Called once for every event of the batch: without a reason it is done, with one it is not. */
export type Settle<E> = (event: E, reason?: unknown) => void;

/** Takes a batch; every event in it is settled exactly once, in any order, now or later. */
export type Path<E> = (batch: readonly E[], settle: Settle<E>) => void;

/** Wraps a path. Called once, when the kernel starts; the path that it returns runs for every batch. */
export type Layer<E> = (next: Path<E>) => Path<E>;

/** A reason that is never `undefined`, which would mean done: `throw undefined` is a failure too. */
export const asReason = (thrown: unknown): unknown =>
  thrown === undefined ? new EventsError('EVENTS_UNSETTLED', 'Failed without a reason (undefined was thrown).') : thrown;

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Puts the layers around `end`, the first one outermost. */
export const compose = <E>(layers: readonly Layer<E>[], end: Path<E>): Path<E> =>
  layers.reduceRight((next, layer) => layer(next), end);

/** A path that calls `handler` for each event: a return settles it, a throw or rejection settles it with the reason. */
export const each =
  <E>(handler: (event: E) => unknown): Path<E> =>
  (batch, settle) => {
    for (const event of batch) {
      let result: unknown;
      try {
        result = handler(event);
      } catch (thrown) {
        settle(event, asReason(thrown));
        continue;
      }
      if (isThenable(result)) {
        result.then(
          () => settle(event),
          (thrown) => settle(event, asReason(thrown)),
        );
      } else settle(event);
    }
  };

/** A path over a whole batch: resolves with the reasons of the events that are not done; a rejection is everyone's reason. */
export const promised =
  <E>(work: (batch: readonly E[]) => Awaitable<ReadonlyMap<E, unknown> | void>): Path<E> =>
  (batch, settle) => {
    new Promise<ReadonlyMap<E, unknown> | void>((resolve) => resolve(work(batch))).then(
      (reasons) => {
        for (const event of batch) {
          if (reasons?.has(event)) settle(event, asReason(reasons.get(event)));
          else settle(event);
        }
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
      let keeps: boolean;
      try {
        keeps = keep(event);
      } catch (thrown) {
        settle(event, asReason(thrown));
        continue;
      }
      if (keeps) kept.push(event);
      else settle(event);
    }
    if (kept.length > 0) next(kept, settle);
  };

/**
 * A layer that replaces events (see `derive`) and settles the originals. A throw or rejection settles that event alone.
 * The order of the batch is kept: if one replacement is a promise, the batch goes on when all are there.
 */
export const transform =
  <E>(replace: (event: E) => Awaitable<E>): Layer<E> =>
  (next) =>
  (batch, settle) => {
    const origins = new Map<E, E>();
    const settleOrigin: Settle<E> = (event, reason) => settle(origins.get(event) ?? event, reason);
    const failed = Symbol();
    const replaced: (E | typeof failed)[] = [];
    const waits: PromiseLike<void>[] = [];
    const forward = (): void => {
      const passed = replaced.filter((event): event is E => event !== failed);
      if (passed.length > 0) next(passed, settleOrigin);
    };
    batch.forEach((event, index) => {
      replaced.push(failed);
      const accept = (result: E): void => {
        origins.set(result, event);
        replaced[index] = result;
      };
      const refuse = (thrown: unknown): void => settle(event, asReason(thrown));
      try {
        const result = replace(event);
        if (isThenable(result)) waits.push((result as PromiseLike<E>).then(accept, refuse));
        else accept(result as E);
      } catch (thrown) {
        refuse(thrown);
      }
    });
    if (waits.length === 0) forward();
    else Promise.all(waits).then(forward);
  };
