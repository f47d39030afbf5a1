import {
  asReason,
  type Delivery,
  EventsError,
  isThenable,
  originOf,
  type WrapHandler,
} from '@logistically/events-kernel';
import type { RetryPolicy } from './policy.ts';
import { isInterrupted } from './reason.ts';
import { watch } from './watch.ts';

type AnyHandler = ReturnType<WrapHandler>;

/** What a delivery failed with first. */
interface Failure {
  readonly reason: unknown;
  /** What its handler has of its own, innermost first. */
  readonly policies: readonly RetryPolicy[];
  /** Whether the service was being stopped by then. */
  readonly interrupted: boolean;
}

const failures = new WeakMap<Delivery, Failure>();
/** What supervised handlers have of their own, innermost first. */
const policiesOf = new WeakMap<AnyHandler, readonly RetryPolicy[]>();

/** How the handler failed that was the first to fail, if this is its reason. */
export const failureOf = (delivery: Delivery, reason: unknown): Failure | undefined => {
  const failure = failures.get(originOf(delivery));
  return failure?.reason === reason ? failure : undefined;
};

const timedOut = (timeoutMs: number): EventsError =>
  new EventsError('EVENTS_RETRY_TIMEOUT', `A handler took longer than ${timeoutMs} ms: its signal has fired.`);

/**
 * The handler with `policy`: what it fails with is remembered beside its delivery, and it has `policy.timeoutMs`. Rejects with
 * `EVENTS_RETRY_TIMEOUT` then, fires the signal of the delivery and waits for the handler no longer.
 */
export const supervise = (handler: AnyHandler, policy: RetryPolicy): AnyHandler => {
  const { timeoutMs } = policy;
  const inner = policiesOf.get(handler);
  const policies = [...(inner ?? []), policy];
  const note = (delivery: Delivery | undefined, thrown: unknown): unknown => {
    const reason = asReason(thrown);
    // Without a kernel there may be none, and nobody who asks.
    if (typeof delivery !== 'object' || delivery === null) return reason;
    const origin = originOf(delivery);
    const failure = failures.get(origin);
    if (!failure) failures.set(origin, { reason, policies, interrupted: isInterrupted(delivery) });
    // Another handler of the event may fail with the same value: only the policies of this one belong together.
    else if (failure.reason === reason && failure.policies === inner) failures.set(origin, { ...failure, policies });
    return reason;
  };
  const timed = (work: Promise<unknown>, delivery: Delivery | undefined, ms: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const fail = (thrown: unknown): void => reject(note(delivery, thrown));
      const late = (): void => {
        const reason = timedOut(ms);
        fail(reason);
        // Not there in a context that a test made up.
        delivery?.abort?.(reason);
      };
      const done = watch(ms, late, () => delivery !== undefined && isInterrupted(delivery));
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
  const supervised: AnyHandler = (event, delivery) => {
    let work: Promise<unknown>;
    try {
      const result = handler(event, delivery);
      if (!isThenable(result)) return result;
      work = Promise.resolve(result);
    } catch (thrown) {
      throw note(delivery, thrown);
    }
    if (timeoutMs !== undefined) return timed(work, delivery, timeoutMs);
    return work.catch((thrown) => {
      throw note(delivery, thrown);
    });
  };
  policiesOf.set(supervised, policies);
  return supervised;
};
