import {
  asReason,
  type Capabilities,
  type Delay,
  type Delivery,
  EventsError,
  type Handoff,
  type Inspect,
  type Log,
  type OutgoingEvent,
  type Path,
  type Settle,
  type Store,
  type Transport,
  type TransportConsumer,
  type TransportSubscription,
} from '@logistically/events-kernel';
import { Alarms } from './alarms.ts';
import { Consumer } from './consumer.ts';
import type { MemoryDelivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import { Entry } from './entry.ts';
import { Partition, type Shared } from './partition.ts';
import { createStore } from './store.ts';

export interface MemoryOptions {
  /** Name of the transport. Default `'memory'`. */
  readonly name?: string;
  /** Whether every group decodes its own copy, as with a broker. `false` passes events by reference. Default true. */
  readonly isolate?: boolean;
  /** How many partitions each topic has. Default 1. */
  readonly partitions?: number;
  /** How many settled entries a partition keeps to be read again. Default 10 000. */
  readonly maxRetained?: number;
  /** How many entries of a partition a group may leave unsettled before publishing is refused. Default 1 000 000. */
  readonly maxUnsettled?: number;
  /** How long after a failure an event is delivered again, in ms: doubled with each attempt, up to 30 000. Default 100. */
  readonly redeliverMs?: number;
}

export interface MemoryCapabilities extends Capabilities {
  readonly durable: 'process';
  readonly groups: true;
  readonly order: 'partition';
  readonly log: Log;
  readonly store: Store;
  readonly delay: Delay;
  readonly handoff: Handoff;
  readonly inspect: Inspect;
}

/** How long events may wait without a consumer before that is unhealthy. */
const WAIT_MS = 60_000;

/** Carries events within the process, and behaves as the durable transports do. Several kernels may use one instance. */
export const memory = (options: MemoryOptions = {}): Transport<MemoryCapabilities> => new Memory(options);

const checkNumber = (name: string, value: number, least: number): void => {
  if (typeof value !== 'number' || !(value >= least))
    throw new EventsError('EVENTS_CONFIG', `\`${name}\` of memory() must be a number from ${least} on.`);
};

class Memory implements Transport<MemoryCapabilities> {
  readonly kind = 'transport';
  readonly name: string;
  readonly capabilities: MemoryCapabilities;
  readonly #isolate: boolean;
  readonly #partitions: number;
  readonly #shared: Shared;
  readonly #topics = new Map<string, readonly Partition[]>();
  readonly #consumers = new Map<Consumer, TransportSubscription>();
  /** Groups of all topics: those that come into being later have them from the start. */
  readonly #everywhere = new Set<string>();
  #sequence = 0;
  #named = 0;
  #opened = 0;

  constructor(options: MemoryOptions) {
    const { name = 'memory', isolate = true, partitions = 1 } = options;
    const { maxRetained = 10_000, maxUnsettled = 1_000_000, redeliverMs = 100 } = options;
    checkNumber('partitions', partitions, 1);
    checkNumber('maxRetained', maxRetained, 0);
    checkNumber('maxUnsettled', maxUnsettled, 1);
    checkNumber('redeliverMs', redeliverMs, 0);
    this.name = name;
    this.#isolate = isolate;
    this.#partitions = partitions;
    this.#shared = { dispatcher: new Dispatcher(), alarms: new Alarms(), redeliverMs, maxRetained, maxUnsettled };
    this.capabilities = {
      durable: 'process',
      groups: true,
      order: 'partition',
      log: { read: this.#read, topics: async () => [...this.#topics.keys()] },
      store: createStore(),
      delay: { publishAt: this.#publishAt },
      handoff: { move: this.#move },
      inspect: { topic: this.#inspect },
    };
  }

  open = async (): Promise<void> => {
    if (this.#opened++ === 0) this.#shared.alarms.resume();
  };

  close = async (): Promise<void> => {
    if (this.#opened === 0 || --this.#opened > 0) return;
    this.#shared.alarms.pause();
    for (const consumer of this.#consumers.keys()) await consumer.close();
    this.#consumers.clear();
  };
}
