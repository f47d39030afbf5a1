import type { Feature } from '@logistically/events-kernel';
import { type BudgetOptions, checkBudget, createBudget } from './budget.ts';
import { checkOptions, checkPart } from './check.ts';
import { checkCircuit, createCircuit } from './circuit.ts';
import { Circuits } from './circuits.ts';
import { consumePart } from './consuming.ts';
import { policyOf, type SubscriptionPolicy } from './policy.ts';
import { checkPublishing, createPublishing, type PublishRetryOptions } from './publishing.ts';

/** Of the consume side, and under `publish` of the other. */
export interface RetryOptions extends SubscriptionPolicy {
  /** How publishing is tried again; `false`: not at all. */
  readonly publish?: PublishRetryOptions | false;
  /** What subscriptions have of their own, by pattern or by group; a pattern goes before a group. */
  readonly subscriptions?: Readonly<Record<string, SubscriptionPolicy>>;
  /** How many retries there may be beside the deliveries. `{}` takes the defaults. Default: as many as there are. */
  readonly budget?: BudgetOptions | false;
}

/**
 * Tries again what failed, on both sides. A delivery that failed is settled with `EVENTS_RETRY_SCHEDULED`, after its last attempt
 * with `EVENTS_RETRY_EXHAUSTED`, and with `EVENTS_RETRY_NOT_RETRYABLE` where that cannot help. Throws `EVENTS_CONFIG`.
 */
export const createRetry = (options: RetryOptions = {}): Feature => {
  checkOptions('options', options);
  const { publish = {}, budget: budgeted = false, subscriptions: overrides = {}, ...own } = options;
  checkPart('publish', publish);
  checkPart('budget', budgeted);
  checkPart('circuit', own.circuit);
  checkOptions('subscriptions', overrides);
  const subscriptions = new Map(Object.entries(overrides));
  const policy = policyOf(own);
  const sending = publish ? checkPublishing(publish) : undefined;
  for (const [name, each] of subscriptions) {
    checkOptions(`subscriptions[${JSON.stringify(name)}]`, each);
    policyOf(each, policy);
    checkPart('circuit', each.circuit);
    if (each.circuit) checkCircuit(each.circuit);
  }
  if (own.circuit) checkCircuit(own.circuit);
  const allowance = budgeted ? checkBudget(budgeted) : undefined;

  return {
    kind: 'feature',
    name: 'retry',
    // All that changes is made here: one of these may be used by several kernels.
    setup({ emit, on, onHealth, use }) {
      const notice = (what: string, detail: object): void => emit('notice', { plugin: 'retry', what, detail });
      const budget = allowance ? createBudget(allowance, (detail) => notice('over budget', detail)) : undefined;
      const publishing = sending && createPublishing(sending);
      const circuits = new Circuits();

      use({
        kind: 'middleware',
        name: 'retry',
        ...(publishing && { publish: { stage: 'retry', layer: publishing.layer } }),
        consume: consumePart({
          policy,
          subscriptions,
          own,
          budget,
          circuitOf: (place, circuit, weigh) =>
            circuits.at(place, () =>
              createCircuit(checkCircuit(circuit), weigh, (state) => notice(`circuit ${state}`, { ...place })),
            ),
        }),
      });
      on('subscribed', (place) => circuits.opened(place));
      on('unsubscribed', (place) => circuits.ended(place));
      onHealth(() => circuits.problems());
      on('stopping', () => {
        circuits.stop();
        publishing?.stop();
      });
      return {};
    },
  };
};
