import {
  type Delay,
  type Delivery,
  EventsError,
  type Handoff,
  type Inspect,
  type Log,
  type OutgoingEvent,
  type Path,
  type Store,
  type Transport,
  type TransportConsumer,
  type TransportHost,
  type TransportSubscription,
  within,
} from '@logistically/events-kernel';
import { createDelay } from './delay.ts';
import { createHandoff } from './handoff.ts';
import { createInspect } from './inspect.ts';
import { createKeys, type Keys } from './keys.ts';
import { Lanes } from './lanes.ts';
import { createLog } from './log.ts';
import type { Opened } from './opened.ts';
import type { Settings } from './options.ts';
import { Outbox } from './outbox.ts';
import { Trimmer } from './retention.ts';
import { createStore } from './store.ts';
import { Subscription } from './subscription.ts';
import { Topics } from './topics.ts';
import type { MakeTopology } from './topology.ts';
import { checkVersion } from './version.ts';

/** What a transport over Redis Streams can do. */
export interface RedisStreamsCapabilities {
  readonly durable: 'server';
  readonly groups: true;
  readonly order: 'partition';
  readonly log: Log;
  readonly store: Store;
  readonly delay: Delay;
  readonly handoff: Handoff;
  readonly inspect: Inspect;
}

/** The transport over Redis Streams, on the servers of a topology. */
export const createTransport = (settings: Settings, makeTopology: MakeTopology): Transport<RedisStreamsCapabilities> =>
  new RedisTransport(settings, makeTopology);

class RedisTransport implements Transport<RedisStreamsCapabilities> {
  readonly kind = 'transport';
  readonly name: string;
  readonly capabilities: RedisStreamsCapabilities;
  readonly #settings: Settings;
  readonly #makeTopology: MakeTopology;
  readonly #keys: Keys;
  readonly #streams = new Map<string, string[]>();
  readonly #lanes: Lanes;
  #open: Opened | undefined;

  constructor(settings: Settings, makeTopology: MakeTopology) {
    this.name = settings.name;
    this.#settings = settings;
    this.#makeTopology = makeTopology;
    this.#keys = createKeys(settings.prefix);
    const opened = (): Opened => this.#opened();
    this.#lanes = new Lanes(opened, settings, this.#keys);
    this.capabilities = {
      durable: 'server',
      groups: true,
      order: 'partition',
      log: createLog(opened, this.#keys),
      store: createStore(opened, this.#keys),
      delay: createDelay(opened, this.#keys, settings, this.#checkPartition, (event, time) => {
        for (const lane of this.#lanes) if (lane.feeds.has(this.#streamOf(event))) lane.due(time - Date.now());
      }),
      handoff: createHandoff(opened, this.#keys, settings.name),
      inspect: createInspect(opened, this.#keys, settings.partitions),
    };
  }

  readonly open = async (host: TransportHost): Promise<void> => {
    if (this.#open)
      throw new EventsError('EVENTS_CONFIG', `${this.name} is open already: give every kernel a transport of its own.`);
    const { timeoutMs, confirmMs, maxBuffered, retention, durability } = this.#settings;
    const onWay = (): void => {
      void this.#open?.topics.register();
      this.#open?.outbox.send();
    };
    const topology = this.#makeTopology({
      onWay,
      onUp: () => {
        host.emit('connected', { transport: this.name });
        onWay();
      },
      onDown: (reason) => host.emit('disconnected', { transport: this.name, reason }),
    });
    const onError = (reason: unknown): void => host.emit('error', { source: this.name, reason });
    const key = this.#keys.topics;
    const topics = new Topics({ commands: topology.at(key), key, intervalMs: 500, onError });
    const trimmer = retention && new Trimmer(topology, retention, onError);
    const outbox = new Outbox({
      topology,
      timeoutMs,
      confirmMs,
      replicaMs: durability?.timeoutMs,
      maxBuffered,
      streamOf: (event) => {
        topics.touch(event.topic, event.time);
        return this.#streamOf(event);
      },
      onStored: (stream, count) => trimmer?.stored(stream, count),
      onError,
    });
    this.#open = { host, topology, topics, outbox };
    try {
      await topology.open(Date.now() + timeoutMs);
      checkVersion(await this.versions());
    } catch (error) {
      topology.close();
      this.#open = undefined;
      throw error;
    }
  };

  readonly publish: Path<OutgoingEvent> = (batch, settle) => this.#opened().outbox.publish(batch, settle);

  readonly subscribe = async (wanted: TransportSubscription, deliver: Path<Delivery>): Promise<TransportConsumer> => {
    const opened = this.#opened();
    const { partitions: count, timeoutMs } = this.#settings;
    const partitions = wanted.partitions ?? Array.from({ length: count }, (_, partition) => partition);
    for (const partition of partitions) this.#checkPartition(partition);
    if (partitions.length === 0) throw noPartition('in []', count);
    const subscription = new Subscription({ lanes: this.#lanes, opened, wanted, partitions, deliver, timeoutMs });
    await subscription.open(wanted.from);
    return subscription;
  };

  readonly health = async (): Promise<readonly string[]> => {
    if (!this.#open) return ['not open'];
    const { topology, outbox } = this.#open;
    const problems = [...(await topology.problems())];
    if (outbox.size > this.#settings.maxBuffered / 2) problems.push(`${outbox.size} events wait for Redis`);
    for (const lane of this.#lanes) problems.push(...(await lane.problems()));
    return problems;
  };

  /** Of the server. */
  readonly versions = async (): Promise<Readonly<Record<string, string>>> => {
    return this.#opened().topology.versions();
  };

  readonly close = async (deadline: number): Promise<void> => {
    const opened = this.#open;
    if (!opened) return;
    const { outbox, topology, topics } = opened;
    await within(outbox.idle(), deadline);
    await within(this.#lanes.close(deadline), deadline);
    topics.close();
    this.#open = undefined;
    outbox.close();
    topology.close();
  };

  #opened(): Opened {
    if (!this.#open) throw new EventsError('EVENTS_NOT_RUNNING', `${this.name} is not open: start the kernel first.`);
    return this.#open;
  }

  #streamOf(event: OutgoingEvent): string {
    const { topic, partition = 0 } = event;
    let streams = this.#streams.get(topic);
    if (!streams) {
      if (this.#streams.size >= 10_000) this.#streams.clear();
      streams = Array.from({ length: this.#settings.partitions }, (_, index) => this.#keys.stream(topic, index));
      this.#streams.set(topic, streams);
    }
    return streams[this.#checkPartition(partition)] as string;
  }

  readonly #checkPartition = (partition: number): number => {
    if (Number.isInteger(partition) && partition >= 0 && partition < this.#settings.partitions) return partition;
    throw noPartition(partition, this.#settings.partitions);
  };
}

const noPartition = (what: unknown, count: number): EventsError =>
  new EventsError(
    'EVENTS_REDIS_STREAMS_PARTITION',
    `There is no partition ${what}: topics have ${count} (\`partitions\`), counted from 0.`,
  );
