import { Delivery, type TransportSubscription } from '@logistically/events-kernel';
import { Broker, type Pending } from '../transports/broker.ts';
import { brokerFault, but, delivering, type Fault, fault, settling } from './fault.ts';

const BUFFER_MS = 40;

class AnyoneSettles extends Broker {
  override settle(pending: Pending, name: string, _: object, retryAfterMs: number | undefined): boolean {
    return super.settle(pending, name, pending.owner ?? {}, retryAfterMs);
  }
}

class LeaseEnds extends Broker {
  override take(...taking: Parameters<Broker['take']>) {
    const taken = super.take(...taking);
    // Renewing writes to nowhere.
    if (taken)
      Object.defineProperty(taken, 'leaseUntil', { value: taken.leaseUntil, configurable: true, writable: false });
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

class GroupsBeginAgain extends Broker {
  override join(topic: string, partition: number, name: string, from: TransportSubscription['from']): boolean {
    // A pump joins with `earliest` all the time: only a subscription says another position.
    if (from !== 'earliest') this.topic(topic)[partition]?.groups.delete(name);
    return super.join(topic, partition, name, from);
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

class TakesDerived extends Broker {
  override get underived(): string[] {
    return [...this.topics.keys()];
  }
}

const reasonOf = (retryAfterMs: number): { retryAfterMs: number } =>
  Object.assign(new Error('again'), { retryAfterMs });

/** What goes wrong between the stored entry and its settlement. */
export const consumingFaults: readonly Fault[] = [
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
  brokerFault('lets a consumer settle what is not its own any more', 'settlement/too-late', new AnyoneSettles()),
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
  brokerFault('blocks the rest behind what failed', 'redelivery/blocks-nobody', new WaitsForRetries()),
  brokerFault('retries at once and before all else', 'redelivery/starves-nobody', new RetriesFirst()),
  brokerFault('brings a failure back to every group', 'redelivery/to-everyone-by-itself', new FailsForAll()),
  fault('never takes over from a dead consumer', 'redelivery/after-crash', (honest) => honest, { leaseMs: 3_600_000 }),
  brokerFault('runs a slow handler twice at once', 'redelivery/slow-handler', new LeaseEnds()),
  brokerFault('reorders the others when one is tried again', 'order/beside-a-retry', new SwapsOnRetry()),
  fault('gives an event to two members', 'groups/one-member-each', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) =>
        honest.subscribe(subscription, (batch, settle) => {
          deliver(batch, settle);
          for (const { topic, partition, cursor, attempt, payload } of batch)
            if (Number(cursor) % 10 === 0)
              deliver([new Delivery(topic, partition, cursor, attempt, payload)], () => {});
        }),
    }),
  ),
  fault('lets all groups compete', 'groups/each-gets-all', (honest) =>
    but(honest, { subscribe: (subscription, deliver) => honest.subscribe({ ...subscription, group: 'one' }, deliver) }),
  ),
  brokerFault('starts a group anew with every subscription', 'groups/goes-on', new GroupsBeginAgain()),
  fault('always begins at the latest', 'position/earliest', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) => honest.subscribe({ ...subscription, from: 'latest' }, deliver),
    }),
  ),
  fault('always begins at the earliest', 'position/latest', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) => honest.subscribe({ ...subscription, from: 'earliest' }, deliver),
    }),
  ),
  fault('knows only the topics that there are when it subscribes', 'delivery/wildcard-later', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) => {
        const topics = subscription.topics === 'all' ? honest.broker.underived : subscription.topics;
        return honest.subscribe({ ...subscription, topics }, deliver);
      },
    }),
  ),
  brokerFault('gives dead letters to everyone', 'delivery/wildcard-underived', new TakesDerived()),
  fault('ignores which partitions are wanted', 'delivery/partitions', (honest) =>
    but(honest, {
      subscribe: ({ topics, group, from, concurrency }, deliver) =>
        honest.subscribe({ topics, group, from, concurrency }, deliver),
    }),
  ),
  fault(
    'delivers empty batches',
    'delivery/shape',
    delivering((deliver) => (batch, settle) => {
      deliver([], settle);
      deliver(batch, settle);
    }),
  ),
  fault(
    'counts attempts from 0',
    'delivery/shape',
    delivering((deliver) => (batch, settle) => {
      for (const delivery of batch) Object.assign(delivery, { attempt: delivery.attempt - 1 });
      deliver(batch, settle);
    }),
  ),
  fault('delivers more than concurrency allows', 'back-pressure/bound', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) =>
        honest.subscribe({ ...subscription, concurrency: subscription.concurrency + 1 }, deliver),
    }),
  ),
  fault('goes on delivering after stop', 'shutdown/nothing-after-stop', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) => {
        const consumer = await honest.subscribe(subscription, deliver);
        return { stop: async () => {}, close: (deadline) => consumer.close(deadline) };
      },
    }),
  ),
  fault('drops what is unsettled when it closes', 'shutdown/hands-back', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) => {
        const open = new Map<Delivery, () => void>();
        const consumer = await honest.subscribe(subscription, (batch, settle) => {
          for (const delivery of batch) open.set(delivery, () => settle(delivery));
          deliver(batch, (delivery, reason) => {
            open.delete(delivery);
            settle(delivery, reason);
          });
        });
        const close = async (deadline: number): Promise<void> => {
          for (const drop of open.values()) drop();
          await consumer.close(deadline);
        };
        return { stop: () => consumer.stop(), close };
      },
    }),
  ),
  fault('reads ahead, and loses that when it stops', 'shutdown/in-mid-batch', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) => {
        const ahead: (() => void)[] = [];
        let [room, open] = [subscription.concurrency, true];
        const next = (): void => {
          while (open && room > 0 && ahead.length > 0) ahead.shift()?.();
        };
        const consumer = await honest.subscribe({ ...subscription, concurrency: 50 }, (batch, settle) => {
          for (const delivery of batch)
            ahead.push(() => {
              room--;
              deliver([delivery], (settled, reason) => {
                room++;
                settle(settled, reason);
                next();
              });
            });
          for (const delivery of batch) if (!open) settle(delivery);
          next();
        });
        const stop = async (): Promise<void> => {
          open = false;
          await consumer.stop();
        };
        // What was read ahead stays pending under a consumer that is gone.
        return { stop, close: async () => {} };
      },
    }),
  ),
  fault('forgets acknowledgements that wait to be sent when it closes', 'shutdown/flushes-what-is-settled', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) => {
        let open = true;
        const consumer = await honest.subscribe(subscription, (batch, settle) =>
          deliver(batch, (delivery, reason) => void setTimeout(() => open && settle(delivery, reason), BUFFER_MS)),
        );
        const close = async (deadline: number): Promise<void> => {
          open = false;
          await consumer.close(deadline);
        };
        return { stop: () => consumer.stop(), close };
      },
    }),
  ),
  fault('waits for its handlers without a deadline', 'shutdown/by-the-deadline', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) => {
        let open = 0;
        const consumer = await honest.subscribe(subscription, (batch, settle) => {
          open += batch.length;
          deliver(batch, (delivery, reason) => {
            open--;
            settle(delivery, reason);
          });
        });
        const idle = async (): Promise<void> => {
          while (open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
        };
        return { stop: () => consumer.stop().then(idle), close: (deadline) => consumer.close(deadline) };
      },
    }),
  ),
  fault(
    'drops malformed entries without a word',
    'foreign/malformed',
    delivering((deliver) => (batch, settle) => {
      for (const delivery of batch) {
        try {
          JSON.parse(Buffer.from(delivery.payload as Uint8Array).toString());
        } catch {
          settle(delivery);
          continue;
        }
        deliver([delivery], settle);
      }
    }),
  ),
  fault(
    'stops at the first malformed entry',
    'foreign/malformed',
    delivering((deliver) => (batch, settle) => {
      for (const { payload } of batch) if (!String(payload).startsWith('{')) return;
      deliver(batch, settle);
    }),
  ),
];
