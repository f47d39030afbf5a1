import { Delivery, type TransportSubscription } from '@logistically/events-kernel';
import { Broker } from '../transports/broker.ts';
import { brokerFault, but, delivering, type Fault, fault } from './fault.ts';

const BUFFER_MS = 40;

class GroupsBeginAgain extends Broker {
  override join(topic: string, partition: number, name: string, from: TransportSubscription['from']): boolean {
    // A pump joins with `earliest` all the time: only a subscription says another position.
    if (from !== 'earliest') this.topic(topic)[partition]?.groups.delete(name);
    return super.join(topic, partition, name, from);
  }
}

class TakesDerived extends Broker {
  override get underived(): string[] {
    return [...this.topics.keys()];
  }
}

/** What goes wrong with subscriptions: whom events go to, how many, and until when. */
export const subscribingFaults: readonly Fault[] = [
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
  fault('takes a time that is none for the beginning', 'position/refused', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) => {
        const { from } = subscription;
        const nonsense = from instanceof Date && Number.isNaN(from.getTime());
        return honest.subscribe({ ...subscription, from: nonsense ? 'earliest' : from }, deliver);
      },
    }),
  ),
  fault('looks at a position only where the group is new', 'position/refused', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) => {
        const { topics, group } = subscription;
        const known = topics !== 'all' && topics.some((topic) => honest.broker.topic(topic)[0]?.groups.has(group));
        return honest.subscribe(known ? { ...subscription, from: 'latest' } : subscription, deliver);
      },
    }),
  ),
  fault('has made the group before it refuses its position', 'position/refused', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) =>
        honest.subscribe(subscription, deliver).catch(async (reason: unknown) => {
          await (await honest.subscribe({ ...subscription, from: 'latest' }, deliver)).close(Date.now());
          throw reason;
        }),
    }),
  ),
  fault('leaves those in the group whose partition it refuses', 'delivery/no-such-partition', (honest) =>
    but(honest, {
      subscribe: async (subscription, deliver) =>
        honest.subscribe(subscription, deliver).catch(async (reason: unknown) => {
          await honest.subscribe({ ...subscription, partitions: [0] }, () => {});
          throw reason;
        }),
    }),
  ),
  fault('waits for events of a partition that there never is', 'delivery/no-such-partition', (honest) =>
    but(honest, {
      subscribe: (subscription, deliver) => {
        const partitions = subscription.partitions?.filter((partition) => partition < 2);
        return honest.subscribe({ ...subscription, ...(partitions && { partitions }) }, deliver);
      },
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
