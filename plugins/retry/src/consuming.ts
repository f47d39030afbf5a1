import {
  asReason,
  type Delivery,
  EventsError,
  type Middleware,
  originOf,
  type Path,
  type Settle,
} from '@logistically/events-kernel';
import { delayOf } from './backoff.ts';
import type { Budget } from './budget.ts';
import type { Circuit, CircuitOptions, Evidence } from './circuit.ts';
import { isNonRetryable, type Policy, policyOf, type SubscriptionPolicy } from './policy.ts';
import { isInterrupted, isPermanent, isUncounted, ownDelayOf } from './reason.ts';
import { failureOf, supervise } from './supervision.ts';

type Weigh = (delivery: Delivery, reason: unknown) => Evidence;

/** What the consume side works with. */
interface ConsumeParts {
  readonly policy: Policy;
  /** By pattern or by group. */
  readonly subscriptions: ReadonlyMap<string, SubscriptionPolicy>;
  /** Of all subscriptions: how long a handler may take, and their circuits. */
  readonly own: SubscriptionPolicy;
  readonly budget: Budget | undefined;
  readonly circuitOf: (
    place: { readonly pattern: string; readonly group: string },
    options: CircuitOptions,
    weigh: Weigh,
  ) => Circuit;
}

const scheduled = (retryAfterMs: number, attempt: number, maxAttempts: number, cause: unknown): EventsError =>
  new EventsError(
    'EVENTS_RETRY_SCHEDULED',
    `Attempt ${attempt} of ${maxAttempts} failed, the next is due in ${retryAfterMs} ms: see \`cause\`.`,
    { retryAfterMs, cause },
  );

const interrupted = (attempt: number, maxAttempts: number, cause: unknown): EventsError =>
  new EventsError(
    'EVENTS_RETRY_SCHEDULED',
    `Attempt ${attempt} of ${maxAttempts} was ended by the stop of its service and does not count: see \`cause\`.`,
    { retryAfterMs: 0, uncounted: true, cause },
  );

/** What a delivery is settled with that has failed of `reason`. */
const verdictOn = (delivery: Delivery, reason: unknown, policy: Policy, budget?: Budget): unknown => {
  const { maxAttempts, maxDelayMs } = policy;
  const { attempt } = delivery;
  if (isPermanent(reason) || isUncounted(reason)) return reason;
  if (failureOf(delivery, reason)?.interrupted ?? isInterrupted(delivery))
    return interrupted(attempt, maxAttempts, reason);
  if (isNonRetryable(policy, reason))
    return new EventsError('EVENTS_RETRY_NOT_RETRYABLE', 'It failed as no further attempt can mend: see `cause`.', {
      permanent: true,
      cause: reason,
    });
  if (attempt >= maxAttempts)
    return new EventsError('EVENTS_RETRY_EXHAUSTED', `All ${maxAttempts} attempts failed: see \`cause\`.`, {
      permanent: true,
      cause: reason,
    });
  const delayMs = ownDelayOf(reason) ?? delayOf(policy, attempt);
  const isOver = budget !== undefined && !budget.spend();
  return scheduled(isOver ? Math.max(delayMs, maxDelayMs) : delayMs, attempt, maxAttempts, reason);
};

/**
 * Settles what failed with a reason that says when it is due again, or that it is given up. What lies below may throw: then that
 * is the reason of every delivery that is not settled yet, and counts as an attempt like any other failure.
 */
export const consumePart = ({
  policy,
  subscriptions,
  own,
  budget,
  circuitOf,
}: ConsumeParts): NonNullable<Middleware['consume']> => {
  /** Of the handler that failed with it; where none did, as when it could not be decoded, `otherwise`. */
  const policyFor = (delivery: Delivery, reason: unknown, otherwise: SubscriptionPolicy | undefined): Policy =>
    (failureOf(delivery, reason)?.policies ?? (otherwise ? [otherwise] : [])).reduceRight(
      (outer, inner) => policyOf(inner, outer),
      policy,
    );

  const layer =
    (next: Path<Delivery>): Path<Delivery> =>
    (batch, settle) => {
      budget?.delivered(batch.length);
      /** Settled while `next` runs, so that a throw of it is told to the others only. */
      let settled: Delivery[] | undefined = [];
      let thrownOut: Set<Delivery> | undefined;
      const settleOne: Settle<Delivery> = (delivery, reason) => {
        if (thrownOut?.has(originOf(delivery))) return;
        settled?.push(originOf(delivery));
        if (reason === undefined) settle(delivery);
        else {
          const failed = policyFor(delivery, reason, subscriptions.get(delivery.group));
          settle(delivery, verdictOn(delivery, reason, failed, budget));
        }
      };
      try {
        next(batch, settleOne);
      } catch (thrown) {
        const done = new Set(settled);
        const open = batch.filter((delivery) => !done.has(originOf(delivery)));
        for (const delivery of open) settleOne(delivery, asReason(thrown));
        thrownOut = new Set(open.map(originOf));
      }
      settled = undefined;
    };

  return {
    stage: 'retry',
    layer,
    handler(handler, place) {
      const override = subscriptions.get(place.pattern) ?? subscriptions.get(place.group);
      const timeoutMs = override?.timeoutMs ?? own.timeoutMs;
      const supervised = supervise(handler, { ...override, ...(timeoutMs !== undefined && { timeoutMs }) });
      const circuit = override?.circuit ?? own.circuit;
      if (!circuit) return supervised;
      /** A failure that no attempt can mend lies in the event, not in what the handler depends on. */
      const weigh: Weigh = (delivery, reason) => {
        if (isUncounted(reason) || isInterrupted(delivery)) return undefined;
        if (isPermanent(reason)) return 'works';
        return isNonRetryable(policyFor(delivery, reason, override), reason) ? 'works' : 'fails';
      };
      return circuitOf(place, circuit, weigh).wrap(supervised);
    },
  };
};
