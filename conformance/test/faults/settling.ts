import { type Delivery, isEventsError } from '@logistically/events-kernel';
import { Broker, type Pending } from '../transports/broker.ts';
import { brokerFault, but, delivering, type Fault, fault, settling } from './fault.ts';

class LeaseEnds extends Broker {
  override take(...taking: Parameters<Broker['take']>) {
    const taken = super.take(...taking);
    const end = taken?.leaseUntil;
    // Renewing writes to nowhere.
    if (taken) Object.defineProperty(taken, 'leaseUntil', { get: () => end, set: () => {}, configurable: true });
    return taken;
  }
}

class ForgetsAttempts extends Broker {
  override settle(pending: Pending, ...others: [string, object, number | undefined]): boolean {
    pending.attempt = 0;
    return super.settle(pending, ...others);
  }
}

/** Attempts are counted by the consumer and go with it. */
class CountsByConsumer extends Broker {
  readonly #last = new WeakMap<Pending, object>();

  override take(...taking: Parameters<Broker['take']>) {
    const taken = super.take(...taking);
    if (taken && this.#last.get(taken) !== taken.owner) taken.attempt = 1;
    if (taken?.owner) this.#last.set(taken, taken.owner);
    return taken;
  }
}

class RestartForgets extends Broker {
  override restart(): void {
    for (const pending of this.allPending()) pending.attempt = 0;
    super.restart();
  }
}

/** Nothing new before what failed has succeeded. */
class WaitsForRetries extends Broker {
  protected override fresh(...[log, group]: Parameters<Broker['fresh']>) {
    return [...group.pending.values()].some(({ owner }) => !owner) ? undefined : super.fresh(log, group);
  }
}

class RetriesFirst extends Broker {
  override take(...taking: Parameters<Broker['take']>) {
    const group = this.topics.get(taking[0])?.[taking[1]]?.groups.get(taking[2]);
    if (group) {
      for (const pending of group.pending.values()) if (!pending.owner) pending.dueAt = 0;
      group.retryNext = false;
    }
    return super.take(...taking);
  }
}

class SwapsOnRetry extends Broker {
  override settle(pending: Pending, name: string, owner: object, retryAfterMs: number | undefined): boolean {
    const log = this.topics.get(pending.entry.topic)?.[pending.entry.partition];
    const next = log?.groups.get(name)?.next ?? 0;
    const [one, other] = log?.entries.slice(next, next + 2) ?? [];
    if (retryAfterMs !== undefined && one && other) log?.entries.splice(next, 2, other, one);
    return super.settle(pending, name, owner, retryAfterMs);
  }
}

class FailsForAll extends Broker {
  override settle(pending: Pending, name: string, owner: object, retryAfterMs: number | undefined): boolean {
    const settled = super.settle(pending, name, owner, retryAfterMs);
    const log = this.topics.get(pending.entry.topic)?.[pending.entry.partition];
    if (settled && retryAfterMs !== undefined) {
      for (const group of log?.groups.values() ?? [])
        if (!group.pending.has(pending.entry.cursor))
          group.pending.set(pending.entry.cursor, { ...pending, owner: undefined });
    }
    return settled;
  }
}

const reasonOf = (retryAfterMs: number): { retryAfterMs: number } =>
  Object.assign(new Error('again'), { retryAfterMs });

/** What goes wrong with settlements and what follows from them. */
export const settlingFaults: readonly Fault[] = [
  fault(
    'acknowledges before handling',
    'settlement/not-before-done',
    delivering((deliver) => (batch, settle) => {
      for (const delivery of batch) settle(delivery);
      deliver(batch, () => {});
    }),
  ),
  fault(
    'forgets acknowledgements',
    'settlement/done-is-done',
    settling((settle, delivery) => settle(delivery, reasonOf(0))),
  ),
  fault('acknowledges a batch when its last event is done', 'settlement/each-by-itself', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) => {
        const open = new Set<Delivery>();
        let held: (() => void)[] = [];
        return honest.subscribe(subscription, (batch, settle) => {
          for (const delivery of batch) open.add(delivery);
          deliver(batch, (delivery, reason) => {
            open.delete(delivery);
            held.push(() => settle(delivery, reason));
            if (open.size > 0) return;
            const ready = held;
            held = [];
            for (const each of ready) each();
          });
        });
      },
    }),
  ),
  fault('lets a consumer settle what is not its own any more', 'settlement/too-late', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) =>
        honest.subscribe(subscription, (batch, settle) =>
          deliver(batch, (delivery, reason) => {
            settle(delivery, reason);
            for (const pending of honest.broker.allPending()) {
              const same = pending.entry.topic === delivery.topic && pending.entry.cursor === delivery.cursor;
              if (same && reason === undefined && pending.owner)
                honest.broker.settle(pending, subscription.group, pending.owner, undefined);
            }
          }),
        ),
    }),
  ),
  fault(
    'drops what failed',
    'redelivery/comes-back',
    settling((settle, delivery) => settle(delivery)),
  ),
  brokerFault('counts no attempts', 'redelivery/attempts', new ForgetsAttempts()),
  brokerFault('counts attempts in the consumer', 'redelivery/attempts-outlive-consumers', new CountsByConsumer()),
  brokerFault('forgets attempts in a restart', 'recovery/keeps-attempts', new RestartForgets()),
  fault(
    'ignores retryAfterMs',
    'redelivery/retry-after',
    settling((settle, delivery, reason) => settle(delivery, reason === undefined ? undefined : new Error('again'))),
  ),
  fault(
    'counts attempts that were none',
    'redelivery/uncounted',
    settling((settle, delivery, reason) =>
      settle(delivery, isEventsError(reason) ? reasonOf(reason.retryAfterMs ?? 0) : reason),
    ),
  ),
  fault(
    'counts what nobody began',
    'shutdown/never-begun',
    delivering((deliver) => (batch, settle) => {
      for (const delivery of batch) Object.defineProperty(delivery, 'tried', { value: true });
      deliver(batch, settle);
    }),
  ),
  brokerFault('blocks the rest behind what failed', 'redelivery/blocks-nobody', new WaitsForRetries()),
  brokerFault('retries at once and before all else', 'redelivery/starves-nobody', new RetriesFirst()),
  brokerFault('brings a failure back to every group', 'redelivery/to-everyone-by-itself', new FailsForAll()),
  fault('never takes over from a dead consumer', 'redelivery/after-crash', (honest) => honest, { leaseMs: 3_600_000 }),
  brokerFault('runs a slow handler twice at once', 'redelivery/slow-handler', new LeaseEnds()),
  brokerFault('reorders the others when one is tried again', 'order/beside-a-retry', new SwapsOnRetry()),
];
