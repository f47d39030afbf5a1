import { checkTopic, EventsError, type From, type TransportSubscription } from '@logistically/events-kernel';
import type { Consumer } from './consumer.ts';
import { isDerived, Partition, type Shared } from './partition.ts';

/** The topics of a transport. One comes into being when somebody publishes to it or subscribes to it. */
export class Topics {
  readonly #shared: Shared;
  readonly #count: number;
  readonly #topics = new Map<string, readonly Partition[]>();
  readonly #consumers = new Map<Consumer, TransportSubscription>();
  /** Groups of all topics: a new topic has them from its beginning, also while none of their consumers is there. */
  readonly #groupsOfAll = new Set<string>();

  constructor(partitions: number, shared: Shared) {
    this.#count = partitions;
    this.#shared = shared;
  }

  get names(): readonly string[] {
    return [...this.#topics.keys()];
  }

  /** All partitions of a topic; none where it does not exist. */
  partitions(topic: string): readonly Partition[] {
    return this.#topics.get(topic) ?? [];
  }

  /** A partition of a topic, which is made where it does not exist. Throws `EVENTS_MEMORY_PARTITION`. */
  partition(topic: string, number = 0): Partition {
    this.#checkPartition(number);
    return (this.#topics.get(topic) ?? this.#create(topic))[number] as Partition;
  }

  get consumers(): readonly Consumer[] {
    return [...this.#consumers.keys()];
  }

  /** Lets a consumer take part in the group of its subscription. */
  enter(consumer: Consumer, subscription: TransportSubscription): void {
    const { topics, from, group, partitions } = subscription;
    if (partitions) this.#checkPartitions(partitions);
    // A derived topic is not for who wants all: its events were delivered before.
    const names = topics === 'all' ? this.names.filter((topic) => !isDerived(topic)) : topics;
    for (const topic of names) this.#join(consumer, subscription, this.#topics.get(topic) ?? this.#create(topic), from);
    if (topics === 'all') this.#groupsOfAll.add(group);
    this.#consumers.set(consumer, subscription);
  }

  /** Forgets a consumer. Its group stays, and goes on where it was when another one comes. */
  leave(consumer: Consumer): void {
    this.#consumers.delete(consumer);
  }

  #create(topic: string): readonly Partition[] {
    checkTopic(topic);
    const partitions = Array.from({ length: this.#count }, (_, number) => new Partition(topic, number, this.#shared));
    this.#topics.set(topic, partitions);
    if (isDerived(topic)) return partitions;
    for (const partition of partitions) for (const group of this.#groupsOfAll) partition.group(group, 'earliest');
    for (const [consumer, subscription] of this.#consumers)
      if (subscription.topics === 'all') this.#join(consumer, subscription, partitions, 'earliest');
    return partitions;
  }

  /** The group is made on every partition, also on those that another consumer reads: nothing is missed between the two. */
  #join(consumer: Consumer, subscription: TransportSubscription, partitions: readonly Partition[], from: From): void {
    for (const partition of partitions) {
      const group = partition.group(subscription.group, from);
      if (subscription.partitions?.includes(partition.number) ?? true) consumer.join(group);
    }
  }

  /** None is refused like one that does not exist: such a subscription would wait for ever. */
  #checkPartitions(numbers: readonly number[]): void {
    if (!Array.isArray(numbers) || numbers.length === 0) throw partitionError('The subscription names no partition');
    for (const number of numbers) this.#checkPartition(number);
  }

  /** An index that is no number would find a property of the array. */
  #checkPartition(number: number): void {
    if (!Number.isInteger(number) || number < 0 || number >= this.#count)
      throw partitionError(`There is no partition ${String(number)} of ${this.#count}, counted from 0`);
  }
}

const partitionError = (what: string): EventsError =>
  new EventsError('EVENTS_MEMORY_PARTITION', `${what}: leave it out, or raise the option \`partitions\` of memory().`, {
    permanent: true,
  });
