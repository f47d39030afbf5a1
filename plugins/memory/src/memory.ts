import {
  type Capabilities,
  type Delay,
  EventsError,
  each,
  type Handoff,
  type Inspect,
  type Log,
  type OutgoingEvent,
  type Store,
  type Transport,
} from '@logistically/events-kernel';
import { Alarms } from './alarms.ts';
import { Consumer } from './consumer.ts';
import { Dispatcher } from './dispatcher.ts';
import { Entry } from './entry.ts';
import { createHandoff } from './handoff.ts';
import type { Partition } from './partition.ts';
import { checkPosition } from './position.ts';
import { createStore } from './store.ts';
import { Topics } from './topics.ts';

export interface MemoryOptions {
  /** Name of the transport. Default `'memory'`. */
  readonly name?: string;
  /** Each group decodes its own copy, as with a broker; `false` passes events by reference. Default true. */
  readonly isolate?: boolean;
  /** How many partitions each topic has. Default 1. */
  readonly partitions?: number;
  /**
   * How many entries a partition keeps to be read again once all groups have settled them. Default 10 000; by reference, where
   * they keep whole objects alive, 1 000.
   */
  readonly maxRetained?: number;
  /** How many unsettled entries a partition keeps. Beyond, publishing to it is refused. Default 1 000 000. */
  readonly maxUnsettled?: number;
  /** The wait before an event that failed is delivered again, in ms; doubled per attempt, up to 30 000. Default 100. */
  readonly redeliverMs?: number;
}

export interface MemoryCapabilities extends Capabilities {
  readonly groups: true;
  readonly order: 'partition';
  readonly log: Log;
  readonly store: Store;
  readonly delay: Delay;
  readonly handoff: Handoff;
  readonly inspect: Inspect;
}

const checkWhole = (name: string, value: number, least: number): void => {
  if (!Number.isInteger(value) || value < least)
    throw new EventsError('EVENTS_CONFIG', `memory(): \`${name}\` must be a whole number from ${least} on.`);
};

/**
 * Carries events within the process and behaves as the durable transports do. What it holds belongs to the instance: it
 * survives `close` and `open`, and several kernels may share it.
 *
 * Refuses with `EVENTS_MEMORY_FULL` (a group is too far behind), `EVENTS_MEMORY_PARTITION` (there is no such partition) and
 * `EVENTS_NOT_RUNNING` (it is not open).
 */
export const memory = (options: MemoryOptions = {}): Transport<MemoryCapabilities> => {
  const {
    name = 'memory',
    isolate = true,
    partitions = 1,
    maxRetained = isolate ? 10_000 : 1000,
    maxUnsettled = 1_000_000,
    redeliverMs = 100,
  } = options;
  checkWhole('partitions', partitions, 1);
  checkWhole('maxRetained', maxRetained, 0);
  checkWhole('maxUnsettled', maxUnsettled, 1);
  checkWhole('redeliverMs', redeliverMs, 0);

  const dispatcher = new Dispatcher();
  const alarms = new Alarms();
  const topics = new Topics(partitions, { dispatcher, alarms, redeliverMs, maxRetained, maxUnsettled });
  let sequence = 0;
  let named = 0;
  let opened = 0;

  const checkOpen = (): void => {
    if (opened === 0)
      throw new EventsError(
        'EVENTS_NOT_RUNNING',
        `${name} is not open: start the kernel, or open() the transport first.`,
      );
  };

  /** Where an event goes. Throws where it cannot be stored. */
  const accept = (topic: string, number: number | undefined): Partition => {
    checkOpen();
    const partition = topics.partition(topic, number);
    if (partition.full)
      throw new EventsError(
        'EVENTS_MEMORY_FULL',
        `${topic}/${partition.number} is full: ${maxUnsettled} entries are not settled (maxUnsettled). Try again when its groups have caught up.`,
      );
    return partition;
  };

  const entryOf = (event: OutgoingEvent): Entry =>
    isolate || event.encoded ? new Entry(event.payload) : new Entry(undefined, event);

  const append = (partition: Partition, entry: Entry, time: number): void => partition.append(entry, ++sequence, time);

  const store = each<OutgoingEvent>((event) =>
    append(accept(event.topic, event.partition), entryOf(event), event.time),
  );

  const publishAt: Delay['publishAt'] = (time, batch, settle) =>
    each<OutgoingEvent>((event) => {
      if (!Number.isFinite(time))
        throw new EventsError('EVENTS_CONFIG', 'publishAt: `time` must be in ms since the epoch.');
      const partition = accept(event.topic, event.partition);
      const entry = entryOf(event);
      partition.delayed++;
      alarms.set(time, () => {
        partition.delayed--;
        append(partition, entry, Date.now());
        dispatcher.run();
      });
    })(batch, settle);

  const read: Log['read'] = async (topic, { partition: number = 0, from = 'earliest', limit = 100 } = {}) => {
    checkPosition(from);
    const partition = topics.partitions(topic).find((each) => each.number === number);
    return partition ? partition.read(from, limit) : [];
  };

  const inspect: Inspect['topic'] = async (topic) => ({
    topic,
    partitions: topics.partitions(topic).map(({ number, length, groups }) => ({
      partition: number,
      length,
      groups: groups.map((group) => group.state),
    })),
  });

  return {
    kind: 'transport',
    name,
    capabilities: {
      groups: true,
      order: 'partition',
      log: { read, topics: async () => topics.names },
      store: createStore(),
      delay: { publishAt },
      handoff: createHandoff({
        accept,
        append: (partition, entry) => {
          append(partition, entry, Date.now());
          dispatcher.run();
        },
        remove: (topic, number, cursor) => topics.partitions(topic)[number]?.remove(cursor),
      }),
      inspect: { topic: inspect },
    },

    async open() {
      if (opened++ === 0) alarms.resume();
    },

    publish(batch, settle) {
      store(batch, settle);
      dispatcher.run(batch[0]?.time);
    },

    async subscribe(subscription, deliver) {
      checkOpen();
      checkPosition(subscription.from);
      const { group, concurrency } = subscription;
      const consumer = new Consumer(`${group}-${++named}`, concurrency, deliver, dispatcher, (closed) =>
        topics.leave(closed),
      );
      try {
        topics.enter(consumer, subscription);
      } catch (thrown) {
        await consumer.close();
        throw thrown;
      }
      // Later, so that the caller has its subscription before what is stored already is delivered.
      setImmediate(() => dispatcher.run());
      return consumer;
    },

    async health() {
      return topics.names.flatMap((topic) => topics.partitions(topic).flatMap((partition) => partition.problems));
    },

    async close() {
      if (opened === 0 || --opened > 0) return;
      alarms.pause();
      for (const consumer of topics.consumers) await consumer.close();
    },
  };
};
