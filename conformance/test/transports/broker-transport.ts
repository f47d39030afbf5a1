import { setTimeout as sleep } from 'node:timers/promises';
import {
  asReason,
  type Capabilities,
  checkTopic,
  Delivery,
  EventsError,
  isEventsError,
  type OutgoingEvent,
  type Path,
  type Payload,
  type Transport,
  type TransportConsumer,
  type TransportHost,
  type TransportSubscription,
} from '@logistically/events-kernel';
import { type Broker, checkPosition, type Pending } from './broker.ts';
import { brokerStore } from './broker-store.ts';

export interface BrokerTransportOptions {
  readonly leaseMs?: number;
  readonly backoffMs?: number;
  readonly deadlineMs?: number;
}

class BrokerDelivery extends Delivery {
  readonly pending: Pending;
  readonly owner: object;
  readonly in: string;

  constructor(pending: Pending, group: string, owner: object) {
    const { topic, partition, cursor, payload, notes } = pending.entry;
    super(topic, partition, cursor, pending.attempt, payload);
    if (notes) this.notes = notes;
    this.pending = pending;
    this.in = group;
    this.owner = owner;
  }
}

const homeOf = (topic: string): string => topic.split(':')[1] ?? topic;

const checkHome = (from: string, to: string): void => {
  checkTopic(to);
  if (!from.includes(':') || homeOf(from) !== homeOf(to))
    throw new EventsError('EVENTS_BROKER_TOPIC', `Nothing goes from ${from} to ${to}.`);
};

/** A subscription: takes while it has room, renews what it holds. */
class Consumer implements TransportConsumer {
  readonly #transport: BrokerTransport;
  readonly #subscription: TransportSubscription;
  readonly #deliver: Path<Delivery>;
  readonly #held = new Map<BrokerDelivery, number>();
  readonly #owner = {};
  #stopped = false;

  constructor(transport: BrokerTransport, subscription: TransportSubscription, deliver: Path<Delivery>) {
    this.#transport = transport;
    this.#subscription = subscription;
    this.#deliver = deliver;
    const { topics, from } = subscription;
    for (const topic of topics === 'all' ? transport.broker.underived : topics) this.#join(topic, from);
  }

  pump(): void {
    if (this.#stopped) return;
    const { broker, leaseMs } = this.#transport;
    const { topics, group, concurrency } = this.#subscription;
    for (const topic of topics === 'all' ? broker.underived : topics) {
      // A topic that is new to a subscription came into being after it.
      this.#join(topic, 'earliest');
      for (const partition of this.#partitions()) {
        while (this.#held.size < concurrency && !this.#stopped) {
          const pending = broker.take(topic, partition, group, this.#owner, leaseMs);
          if (!pending) break;
          this.#hand(pending);
        }
      }
    }
  }

  renew(): void {
    const { broker, leaseMs } = this.#transport;
    for (const { pending, owner } of this.#held.keys())
      if (pending.owner === owner) pending.leaseUntil = broker.leaseClock.now + leaseMs;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#transport.consumers.delete(this);
    for (const delivery of [...this.#held.keys()]) {
      if (!delivery.tried && delivery.pending.owner === this.#owner) delivery.pending.attempt--;
      this.#settle(delivery, 0);
    }
  }

  #partitions(): readonly number[] {
    const { broker } = this.#transport;
    return this.#subscription.partitions ?? Array.from({ length: broker.partitions }, (_, index) => index);
  }

  #join(topic: string, from: TransportSubscription['from']): void {
    for (const partition of this.#partitions())
      this.#transport.broker.join(topic, partition, this.#subscription.group, from);
  }

  #hand(pending: Pending): void {
    const delivery = new BrokerDelivery(pending, this.#subscription.group, this.#owner);
    this.#held.set(delivery, this.#transport.broker.epoch);
    this.#deliver([delivery], (settled, reason) => {
      const retryAfterMs = isEventsError(reason) ? reason.retryAfterMs : undefined;
      if (isEventsError(reason) && reason.uncounted && pending.owner === this.#owner) pending.attempt--;
      this.#settle(
        settled as BrokerDelivery,
        reason === undefined ? undefined : (retryAfterMs ?? this.#transport.backoffMs),
      );
    });
  }

  #settle(delivery: BrokerDelivery, retryAfterMs: number | undefined): void {
    const { broker } = this.#transport;
    const epoch = this.#held.get(delivery);
    this.#held.delete(delivery);
    if (epoch === broker.epoch) broker.settle(delivery.pending, this.#subscription.group, this.#owner, retryAfterMs);
    this.#transport.wake();
  }
}

/** A handle on a broker. Honest in everything. */
export class BrokerTransport implements Transport {
  readonly kind = 'transport';
  readonly name = 'broker';
  readonly broker: Broker;
  readonly leaseMs: number;
  readonly backoffMs: number;
  readonly consumers = new Set<Consumer>();
  readonly capabilities: Required<Capabilities>;
  readonly #deadlineMs: number;
  #host: TransportHost | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #woken: NodeJS.Immediate | undefined;

  constructor(broker: Broker, { leaseMs = 500, backoffMs = 5, deadlineMs = 100 }: BrokerTransportOptions = {}) {
    this.broker = broker;
    this.leaseMs = leaseMs;
    this.backoffMs = backoffMs;
    this.#deadlineMs = deadlineMs;
    this.capabilities = {
      durable: 'server',
      groups: true,
      order: 'partition',
      log: {
        read: async (topic, options) => this.#read(topic, options),
        topics: async () =>
          [...broker.topics].filter(([, all]) => all.some(({ entries }) => entries.length > 0)).map(([name]) => name),
      },
      store: brokerStore(broker),
      delay: {
        publishAt: (time, batch, settle) => {
          for (const event of batch)
            this.#store(event, settle, (topic, partition, payload) => {
              if (!broker.topic(topic)[partition]) throw this.#noPartition(partition);
              setTimeout(() => broker.append(topic, partition, payload), Math.max(0, time - Date.now()));
            });
        },
      },
      handoff: {
        move: async (delivery, topic, notes) => this.#move(delivery, topic, notes),
        moveEntry: async ({ topic: from, partition, cursor, payload: own }, topic, notes, payload = own) => {
          checkHome(from, topic);
          const there = broker.remove(from, partition, cursor);
          if (there) broker.append(topic, partition, payload, Object.keys(notes).length > 0 ? notes : undefined);
          return there;
        },
        remove: async ({ topic, partition, cursor }) => {
          checkHome(topic, topic);
          return broker.remove(topic, partition, cursor);
        },
      },
      inspect: { topic: async (topic) => this.#inspect(topic) },
    };
  }

  open = async (host: TransportHost): Promise<void> => {
    this.#host = host;
    this.broker.listeners.add(this.wake);
    this.broker.wipes.add(this.#recover);
    this.#ticking = setInterval(() => this.#pump(), 5);
  };

  publish: Path<OutgoingEvent> = (batch, settle) => {
    for (const event of batch) this.#store(event, settle, (...entry) => this.broker.append(...entry));
  };

  subscribe = async (subscription: TransportSubscription, deliver: Path<Delivery>): Promise<TransportConsumer> => {
    checkPosition(subscription.from);
    for (const partition of subscription.partitions ?? [])
      if (!(Number.isInteger(partition) && partition >= 0 && partition < this.broker.partitions))
        throw this.#noPartition(partition);
    const consumer = new Consumer(this, subscription, deliver);
    this.consumers.add(consumer);
    this.wake();
    return consumer;
  };

  close = async (): Promise<void> => {
    for (const consumer of this.consumers) await consumer.close();
    this.die();
    this.#host = undefined;
  };

  /** As a process dies: nothing is handed back. */
  die = (): void => {
    clearInterval(this.#ticking);
    clearImmediate(this.#woken);
    this.#woken = undefined;
    this.consumers.clear();
    this.broker.listeners.delete(this.wake);
    this.broker.wipes.delete(this.#recover);
  };

  wake = (): void => {
    this.#woken ??= setImmediate(() => {
      this.#woken = undefined;
      this.#pump();
    });
  };

  #pump(): void {
    for (const consumer of this.consumers) consumer.renew();
    for (const consumer of this.consumers) consumer.pump();
  }

  #recover = (): void => this.#host?.emit('recovered', { transport: this.name, what: 'everything was gone' });

  #noPartition(partition: number): EventsError {
    return new EventsError('EVENTS_BROKER_PARTITION', `There is no partition ${partition}.`);
  }

  #store(
    event: OutgoingEvent,
    settle: (event: OutgoingEvent, reason?: unknown) => void,
    store: (topic: string, partition: number, payload: Payload) => void,
  ): void {
    const confirm = async (): Promise<void> => {
      if (!this.#host) throw new EventsError('EVENTS_BROKER_CLOSED', 'The transport is closed: open it first.');
      const { topic, partition = 0, payload } = event;
      if (this.broker.frozen) {
        await sleep(this.#deadlineMs);
        throw new EventsError('EVENTS_BROKER_TIMEOUT', 'The broker gave no answer.');
      }
      store(topic, partition, payload);
    };
    confirm().then(
      () => settle(event),
      (thrown) => settle(event, asReason(thrown)),
    );
  }

  #read(
    topic: string,
    { partition = 0, from = 'earliest', limit = 100 }: Parameters<Required<Capabilities>['log']['read']>[1] = {},
  ) {
    checkPosition(from);
    const entries = this.broker.topics.get(topic)?.[partition]?.entries ?? [];
    if (from === 'latest') return [];
    const since = from instanceof Date ? from.getTime() : 0;
    const after = from === 'earliest' || from instanceof Date ? 0 : Number(from);
    return entries
      .slice(after)
      .filter(({ time, removed }) => time >= since && !removed)
      .slice(0, limit);
  }

  #move(delivery: Delivery, topic: string, notes: Readonly<Record<string, string>>): void {
    checkTopic(topic);
    const { pending, owner, in: group } = delivery as BrokerDelivery;
    if (!this.broker.settle(pending, group, owner, undefined))
      throw new EventsError('EVENTS_BROKER_NOT_HELD', 'The delivery is not held any more.');
    this.broker.append(topic, 0, delivery.payload, notes);
  }

  #inspect(topic: string) {
    const now = Date.now();
    const partitions = (this.broker.topics.get(topic) ?? []).map(({ entries, groups }, partition) => ({
      partition,
      length: entries.filter(({ removed }) => !removed).length,
      groups: [...groups].map(([group, { next, pending }]) => {
        const held = [...pending.values()].filter(({ owner }) => owner);
        return {
          group,
          lag: entries.length - next,
          pending: pending.size,
          delayed: [...pending.values()].filter(({ owner, dueAt }) => !owner && dueAt > now).length,
          consumers: [{ consumer: 'all', pending: held.length, idleMs: 0 }],
        };
      }),
    }));
    return { topic, partitions };
  }
}
