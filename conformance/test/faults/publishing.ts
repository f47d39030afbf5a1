import { derive, type OutgoingEvent } from '@logistically/events-kernel';
import { Broker, type Entry } from '../transports/broker.ts';
import { brokerFault, but, delivering, type Fault, fault } from './fault.ts';

const LATE_MS = 30;

class TrimsUnread extends Broker {
  protected override fresh(...[log, group]: Parameters<Broker['fresh']>) {
    group.next = Math.max(group.next, log.entries.length - 1000);
    return super.fresh(log, group);
  }
}

class TrimsUnsettled extends Broker {
  protected override due(group: Parameters<Broker['due']>[0]) {
    for (const cursor of group.pending.keys()) if (Number(cursor) < group.next - 1000) group.pending.delete(cursor);
    return super.due(group);
  }
}

class MixesNames extends Broker {
  override topic(name: string) {
    return super.topic(name.replace(/[.:]/g, '-'));
  }

  override take(topic: string, ...others: [number, string, object, number]) {
    return super.take(topic.replace(/[.:]/g, '-'), ...others);
  }
}

class Truncates extends Broker {
  override append(topic: string, partition: number, payload: Entry['payload'], notes?: Entry['notes']): void {
    super.append(topic, partition, typeof payload === 'string' ? payload.slice(0, 500_000) : payload, notes);
  }
}

class EndsAtNul extends Broker {
  override append(topic: string, partition: number, payload: Entry['payload'], notes?: Entry['notes']): void {
    super.append(topic, partition, typeof payload === 'string' ? payload.replace(/\\u0000.*?"/, '"') : payload, notes);
  }
}

/** What goes wrong between `publish` and the stored entry. */
export const publishingFaults: readonly Fault[] = [
  fault('swallows a publish error', 'publish/fails-by-itself', (honest) =>
    but(honest, { publish: (batch, settle) => honest.publish(batch, (event) => settle(event)) }),
  ),
  fault('settles a published event twice', 'publish/settles-once', (honest) =>
    but(honest, {
      publish: (batch, settle) =>
        honest.publish(batch, (event, reason) => {
          settle(event, reason);
          settle(event, reason);
        }),
    }),
  ),
  fault('never settles the event that failed', 'publish/settles-once', (honest) =>
    but(honest, {
      publish: (batch, settle) => honest.publish(batch, (event, reason) => reason === undefined && settle(event)),
    }),
  ),
  fault('settles copies of the events', 'publish/settles-once', (honest) =>
    but(honest, {
      publish: (batch, settle) =>
        honest.publish(batch, (event, reason) => {
          settle(event, reason);
          settle(derive(event, {}), reason);
        }),
    }),
  ),
  fault('rejects a whole batch for one event', 'publish/partition-out-of-range', (honest) =>
    but(honest, {
      publish: (batch, settle) => {
        const reasons = new Map<OutgoingEvent, unknown>();
        honest.publish(batch, (event, reason) => {
          reasons.set(event, reason);
          const failed = [...reasons.values()].find((each) => each !== undefined);
          if (reasons.size === batch.length) for (const each of batch) settle(each, failed);
        });
      },
    }),
  ),
  fault('puts an event into another partition than it was told', 'publish/partition-out-of-range', (honest) =>
    but(honest, {
      publish: (batch, settle) => {
        const moved = batch.map((event) => derive(event, { partition: (event.partition ?? 0) % 2 }));
        honest.publish(moved, (event, reason) => settle(batch[moved.indexOf(event)] as OutgoingEvent, reason));
      },
    }),
  ),
  fault('confirms before it stores', 'publish/confirmed', (honest) =>
    but(honest, {
      publish: (batch, settle) => {
        for (const event of batch) settle(event);
        setTimeout(() => honest.publish(batch, () => {}), LATE_MS);
      },
    }),
  ),
  fault('confirms and loses every hundredth event', 'publish/delivered', (honest) => {
    let count = 0;
    return but(honest, {
      publish: (batch, settle) => {
        const lost = batch.filter(() => ++count % 100 === 0);
        for (const event of lost) settle(event);
        honest.publish(
          batch.filter((event) => !lost.includes(event)),
          settle,
        );
      },
    });
  }),
  fault('publishes over the connection on which subscriptions wait', 'publish/beside-subscriptions', (honest) =>
    but(honest, {
      publish: (batch, settle) => void setTimeout(() => honest.publish(batch, settle), honest.consumers.size * 10),
    }),
  ),
  fault('stores a batch in another order', 'order/as-published', (honest) =>
    but(honest, { publish: (batch, settle) => honest.publish(batch.toReversed(), settle) }),
  ),
  fault(
    'confirms at once, and forgets what is not stored yet when it closes',
    'shutdown/flushes-what-is-published',
    (honest) => {
      const waiting = new Set<NodeJS.Timeout>();
      return but(honest, {
        publish: (batch, settle) => {
          waiting.add(setTimeout(() => honest.publish(batch, () => {}), LATE_MS));
          for (const event of batch) settle(event);
        },
        close: async () => {
          for (const timer of waiting) clearTimeout(timer);
          await honest.close();
        },
      });
    },
  ),
  fault('confirms events after it was closed', 'lifecycle/publish-after-close', (honest) =>
    but(honest, {
      publish: (batch, settle) =>
        honest.publish(batch, (event, reason) => settle(event, String(reason).includes('closed') ? undefined : reason)),
    }),
  ),
  fault('turns bytes into text', 'payload/binary', (honest) =>
    but(honest, {
      publish: (batch, settle) => {
        const texts = batch.map((event) => {
          // What cannot be encoded stays as it is.
          try {
            return derive(event, { payload: Buffer.from(event.payload as Uint8Array).toString() });
          } catch {
            return event;
          }
        });
        honest.publish(texts, (event, reason) => settle(batch[texts.indexOf(event)] as OutgoingEvent, reason));
      },
    }),
  ),
  fault(
    'does not deliver what is empty',
    'payload/empty',
    delivering((deliver) => (batch, settle) => {
      const [full, empty] = [
        batch.filter(({ payload }) => payload.length > 0),
        batch.filter(({ payload }) => payload.length === 0),
      ];
      for (const delivery of empty) settle(delivery);
      if (full.length > 0) deliver(full, settle);
    }),
  ),
  brokerFault('cuts off what is long', 'payload/large', new Truncates()),
  brokerFault('ends a text at NUL', 'payload/text', new EndsAtNul()),
  brokerFault('trims what no group has read', 'retention/keeps-the-unread', new TrimsUnread()),
  brokerFault('trims what a group is working on', 'retention/keeps-the-unsettled', new TrimsUnsettled()),
  brokerFault('mixes up topics whose names are alike', 'name/topics', new MixesNames()),
];
