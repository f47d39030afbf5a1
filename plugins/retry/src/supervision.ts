import {
  asReason,
  type Delivery,
  EventsError,
  isThenable,
  originOf,
  type WrapHandler,
} from '@logistically/events-kernel';
import type { RetryPolicy } from './policy.ts';
import { watch } from './watch.ts';

type AnyHandler = ReturnType<WrapHandler>;

/** What a delivery failed with, and what its handler has of its own, innermost first. */
interface Failure {
  readonly reason: unknown;
  readonly policies: RetryPolicy[];
}

const failures = new WeakMap<Delivery, Failure>();

/** The options of the handler that failed first, innermost first, if it has any and this is its reason. */
export const policiesBehind = (delivery: Delivery, reason: unknown): readonly RetryPolicy[] | undefined => {
  const failure = failures.get(originOf(delivery));
  return failure?.reason === reason ? failure?.policies : undefined;
};

const timedOut = (timeoutMs: number): EventsError =>
  new EventsError('EVENTS_RETRY_TIMEOUT', `A handler took longer than ${timeoutMs} ms: its signal has fired.`);

/**
 * The handler with `policy`: what it fails with is remembered beside its delivery, and it has `policy.timeoutMs`. Rejects with
 * `EVENTS_RETRY_TIMEOUT` then, fires the signal of the delivery and waits for the handler no longer.
 */
export const supervise = (handler: AnyHandler, policy: RetryPolicy): AnyHandler => {
  const { timeoutMs } = policy;
  const note = (delivery: Delivery, thrown: unknown): unknown => {
    const reason = asReason(thrown);
    const origin = originOf(delivery);
    const failure = failures.get(origin);
    if (!failure) failures.set(origin, { reason, policies: [policy] });
    else if (failure.reason === reason) failure.policies.push(policy);
    return reason;
  };
  const timed = (work: Promise<unknown>, delivery: Delivery, ms: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const fail = (thrown: unknown): void => reject(note(delivery, thrown));
      const done = watch(ms, () => {
        const reason = timedOut(ms);
        fail(reason);
        delivery.abort(reason);
      });
      work.then(
        (value) => {
          done();
          resolve(value);
        },
        (thrown) => {
          if (done()) fail(thrown);
        },
      );
    });
  return (event, delivery) => {
    let result: unknown;
    try {
      result = handler(event, delivery);
    } catch (thrown) {
      throw note(delivery, thrown);
    }
    if (!isThenable(result)) return result;
    const work = Promise.resolve(result);
    if (timeoutMs !== undefined) return timed(work, delivery, timeoutMs);
    return work.catch((thrown) => {
      throw note(delivery, thrown);
    });
  };
};
