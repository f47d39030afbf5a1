import {
  asReason,
  type Delivery,
  EventsError,
  isEventsError,
  type Middleware,
  originOf,
  type Path,
  type Settle,
} from '@logistically/events-kernel';
import { delayOf } from './backoff.ts';
import type { Budget } from './budget.ts';
import type { Circuit } from './circuit.ts';
import { isNonRetryable, isPermanent, type Policy, policyOf, type SubscriptionPolicy } from './policy.ts';
import { policiesBehind, supervise } from './supervision.ts';

/** What the consume side works with. */
interface ConsumeParts {
  readonly policy: Policy;
  /** By pattern or by group. */
  readonly subscriptions: ReadonlyMap<string, SubscriptionPolicy>;
  /** Of all subscriptions: how long a handler may take. */
  readonly own: SubscriptionPolicy;
  readonly budget: Budget | undefined;
  readonly circuitOf: (pattern: string, group: string, policy: SubscriptionPolicy) => Circuit | undefined;
}

/** Whether it did not fail of itself: the service stops, and the signal of the delivery has told the handler so. */
const isInterrupted = ({ signal }: Delivery): boolean =>
  signal.aborted && isEventsError(signal.reason) && signal.reason.code === 'EVENTS_ABORTED';

/** Whether no handler was called: a circuit was open, somebody else is at work on the same event. */
const isHeldBack = (reason: unknown): boolean => isEventsError(reason) && reason.uncounted;

const ownDelayOf = (reason: unknown): number | undefined => (isEventsError(reason) ? reason.retryAfterMs : undefined);

const scheduled = (retryAfterMs: number, attempt: number, maxAttempts: number, cause: unknown): EventsError =>
  new EventsError(
    'EVENTS_RETRY_SCHEDULED',
    `Attempt ${attempt} of ${maxAttempts} failed, the next is due in ${retryAfterMs} ms: see \`cause\`.`,
    { retryAfterMs, cause },
  );

/** What a delivery is settled with that has failed of `reason`. */
const verdictOn = (delivery: Delivery, reason: unknown, policy: Policy, budget?: Budget): unknown => {
  const { maxAttempts, maxDelayMs } = policy;
  const { attempt } = delivery;
  if (isPermanent(reason) || isHeldBack(reason)) return reason;
  if (isNonRetryable(policy, reason))
    return new EventsError('EVENTS_RETRY_NOT_RETRYABLE', 'It failed as no further attempt can mend: see `cause`.', {
      permanent: true,
      cause: reason,
    });
  if (isInterrupted(delivery)) return scheduled(0, attempt, maxAttempts, reason);
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
  const policyFor = (delivery: Delivery, reason: unknown): Policy => {
    const behind = policiesBehind(delivery, reason);
    if (behind) return behind.reduceRight((outer, inner) => policyOf(inner, outer), policy);
    const ofGroup = subscriptions.get(delivery.group);
    return ofGroup ? policyOf(ofGroup, policy) : policy;
  };

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
        else settle(delivery, verdictOn(delivery, reason, policyFor(delivery, reason), budget));
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
    handler(handler, { pattern, group }) {
      const override = subscriptions.get(pattern) ?? subscriptions.get(group);
      const supervised =
        override || own.timeoutMs !== undefined ? supervise(handler, { ...timeoutOf(own), ...override }) : handler;
      return circuitOf(pattern, group, override ?? own)?.wrap(supervised) ?? supervised;
    },
  };
};

const timeoutOf = ({ timeoutMs }: SubscriptionPolicy): SubscriptionPolicy =>
  timeoutMs === undefined ? {} : { timeoutMs };
