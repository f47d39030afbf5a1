import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
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
import { Redis } from 'ioredis';
import { Connection, type ConnectionPurpose, clientOptions, type RedisClient } from './connection.ts';
import { createDelay } from './delay.ts';
import { Feed } from './feed.ts';
import { createHandoff } from './handoff.ts';
import { serverProblem } from './health.ts';
import { createInspect } from './inspect.ts';
import { createKeys, type Keys } from './keys.ts';
import { Lane } from './lane.ts';
import { createLog } from './log.ts';
import { Member } from './member.ts';
import type { Opened } from './opened.ts';
import { type RedisStreamsOptions, type Settings, settingsOf } from './options.ts';
import { Outbox } from './outbox.ts';
import { startAfter } from './position.ts';
import { Trimmer } from './retention.ts';
import { ensureScript } from './script.ts';
import { createStore } from './store.ts';
import { Topics } from './topics.ts';
import { checkVersion } from './version.ts';

/** What `redisStreams` can do. */
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

/** Redis Streams as a transport. Needs Redis 6.2 or newer. */
export const redisStreams = (options: RedisStreamsOptions = {}): Transport<RedisStreamsCapabilities> =>
  new RedisStreams(options);

/** A derived topic, as a dead letter queue is, is not for those who want all: they know its events already. */
const isPlain = (topic: string): boolean => !topic.includes(':');

class RedisStreams implements Transport<RedisStreamsCapabilities> {
  readonly kind = 'transport';
  readonly name: string;
  readonly capabilities: RedisStreamsCapabilities;
  readonly #options: RedisStreamsOptions;
  readonly #settings: Settings;
  readonly #keys: Keys;
  readonly #streams = new Map<string, string[]>();
  readonly #lanes = new Map<string, Lane>();
  #open: Opened | undefined;

  constructor(options: RedisStreamsOptions) {
    const settings = settingsOf(options);
    this.name = settings.name;
    this.#options = options;
    this.#settings = settings;
    this.#keys = createKeys(settings.prefix);
    const opened = (): Opened => this.#opened();
    this.capabilities = {
      durable: 'server',
      groups: true,
      order: 'partition',
      log: createLog(opened, this.#keys),
      store: createStore(opened, this.#keys),
      delay: createDelay(opened, this.#keys, this.#checkPartition, (event, time) => {
        for (const lane of this.#lanes.values()) if (lane.feeds.has(this.#streamOf(event))) lane.due(time - Date.now());
      }),
      handoff: createHandoff(opened, this.#keys, settings.name),
      inspect: createInspect(opened, this.#keys, settings.partitions),
    };
  }

  readonly open = async (host: TransportHost): Promise<void> => {
    if (this.#open)
      throw new EventsError('EVENTS_CONFIG', `${this.name} is open already: give every kernel a transport of its own.`);
    const { client } = this.#options;
    const commands = new Connection({
      client: client ?? this.#connect('commands'),
      owned: !client,
      timeoutMs: this.#settings.timeoutMs,
      onUp: () => {
        host.emit('connected', { transport: this.name });
        void this.#open?.topics.register();
        this.#open?.outbox.send();
      },
      onDown: (reason) => host.emit('disconnected', { transport: this.name, reason }),
    });
    const onError = (reason: unknown): void => host.emit('error', { source: this.name, reason });
    const topics = new Topics({ commands, key: this.#keys.topics, intervalMs: 500, onError });
    const trimmer = this.#options.retention && new Trimmer(commands, this.#options.retention, onError);
    const outbox = new Outbox({
      connection: commands,
      timeoutMs: this.#settings.timeoutMs,
      maxBuffered: this.#settings.maxBuffered,
      streamOf: (event) => {
        topics.touch(event.topic, event.time);
        return this.#streamOf(event);
      },
      onStored: (stream, count) => trimmer?.stored(stream, count),
      onError,
    });
    this.#open = { host, commands, topics, outbox };
    try {
      await commands.open(Date.now() + this.#settings.timeoutMs);
      checkVersion(await this.versions());
    } catch (error) {
      commands.close();
      this.#open = undefined;
      throw error;
    }
  };

  readonly publish: Path<OutgoingEvent> = (batch, settle) => this.#opened().outbox.publish(batch, settle);

  readonly subscribe = async (
    subscription: TransportSubscription,
    deliver: Path<Delivery>,
  ): Promise<TransportConsumer> => {
    const { commands, topics } = this.#opened();
    const { group, from, concurrency } = subscription;
    const after = startAfter(from);
    const partitions =
      subscription.partitions ?? Array.from({ length: this.#settings.partitions }, (_, partition) => partition);
    for (const partition of partitions) this.#checkPartition(partition);
    if (partitions.length === 0) throw noPartition('in []', this.#settings.partitions);
    const member = new Member(concurrency, deliver);
    const lane = this.#lane(group, concurrency);
    // At once, so that the lane is not closed by the last of the others.
    lane.members.add(member);
    const add = async (topic: string, position: string): Promise<void> => {
      await Promise.all(
        partitions.map(async (partition) => {
          const feed = this.#feed(lane, group, topic, partition);
          try {
            const reply = await commands.persist(
              (client) => ensureScript.run(client, [feed.stream], [group, position]),
              Date.now() + this.#settings.timeoutMs,
            );
            const [, last, mark] = reply as [number, string, string];
            if (feed.members.size === 0) Object.assign(feed, { cursor: last, mark });
          } catch (error) {
            lane.drop(feed);
            throw error;
          }
          if (member.stopped) lane.drop(feed);
          else lane.add(member, feed);
        }),
      );
    };
    let unwatch = (): void => {};
    try {
      await lane.open(Date.now() + this.#settings.timeoutMs);
      const known = subscription.topics === 'all' ? (await topics.list()).filter(isPlain) : subscription.topics;
      await Promise.all(known.map((topic) => add(topic, after)));
      if (subscription.topics === 'all')
        // A topic that comes later is new as a whole: all of it came after the subscription.
        unwatch = topics.watch(known, async (topic) => {
          if (isPlain(topic)) await add(topic, '0-0');
        });
    } catch (error) {
      await this.#leave(lane, member, Date.now() + this.#settings.timeoutMs);
      throw error;
    }
    return {
      stop: async () => {
        unwatch();
        lane.stop(member);
      },
      close: (deadline) => this.#leave(lane, member, deadline),
    };
  };

  readonly health = async (): Promise<readonly string[]> => {
    if (!this.#open) return ['not open'];
    const problems: string[] = [];
    const { commands, outbox } = this.#open;
    const problem = await serverProblem(commands);
    if (problem) problems.push(problem);
    if (outbox.size > this.#settings.maxBuffered / 2) problems.push(`${outbox.size} events wait for Redis`);
    for (const lane of this.#lanes.values()) problems.push(...(await lane.problems()));
    return problems;
  };

  /** Of the server. */
  readonly versions = async (): Promise<Readonly<Record<string, string>>> => {
    const info = await this.#opened().commands.run((client) => client.info('server'));
    return { redis: /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown' };
  };

  readonly close = async (deadline: number): Promise<void> => {
    const opened = this.#open;
    if (!opened) return;
    const { outbox, commands, topics } = opened;
    await within(outbox.idle(), deadline);
    const members = [...this.#lanes.values()].flatMap((lane) =>
      Array.from(lane.members, (member) => lane.close(member, deadline)),
    );
    await within(Promise.all(members), deadline);
    this.#lanes.clear();
    topics.close();
    this.#open = undefined;
    outbox.close();
    commands.close();
  };

  #opened(): Opened {
    if (!this.#open) throw new EventsError('EVENTS_NOT_RUNNING', `${this.name} is not open: start the kernel first.`);
    return this.#open;
  }

  #connect(purpose: ConnectionPurpose): RedisClient {
    const { client, connect, url, redis } = this.#options;
    const needed = clientOptions(purpose, this.#settings.timeoutMs);
    if (connect) return connect(purpose, needed);
    if (client) return client.duplicate(needed);
    const all = { ...redis, ...needed };
    return url === undefined ? new Redis(all) : new Redis(url, all);
  }

  /** The lane of subscriptions of one group with the same concurrency: they can share a blocking read. */
  #lane(group: string, concurrency: number): Lane {
    const { host, commands } = this.#opened();
    const key = `${group}/${concurrency}`;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Lane({
        transport: this.name,
        group,
        consumer: `${host.service}-${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
        reader: this.#connect('reader'),
        commands,
        leaseMs: this.#settings.leaseMs,
        claimIntervalMs: this.#settings.claimIntervalMs,
        blockMs: this.#settings.blockMs,
        timeoutMs: this.#settings.timeoutMs,
        redeliverMs: this.#settings.redeliverMs,
        emit: host.emit,
      });
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #feed(lane: Lane, group: string, topic: string, partition: number): Feed {
    const { commands, host } = this.#opened();
    const make = (): Feed =>
      new Feed({
        keys: this.#keys,
        topic,
        partition,
        group,
        consumer: lane.consumer,
        commands,
        onError: (reason) => host.emit('error', { source: this.name, reason }),
        onDue: lane.due,
        onRegrouped: () =>
          host.emit('recovered', { transport: this.name, group, topic, what: 'a lost consumer group' }),
      });
    return lane.feed(topic, partition, make);
  }

  async #leave(lane: Lane, member: Member, deadline: number): Promise<void> {
    lane.stop(member);
    if (lane.members.size <= 1 && lane.members.has(member))
      for (const [key, other] of this.#lanes) if (other === lane) this.#lanes.delete(key);
    await lane.close(member, deadline);
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
