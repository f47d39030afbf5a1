import { EventsError } from '@logistically/events-kernel';
import type { Redis, RedisOptions } from 'ioredis';
import type { ConnectionPurpose } from './connection.ts';

/** What is removed from a topic partition, and when. Nothing that a group has not settled, unless `lossy`. */
export interface Retention {
  /** Keep no more entries than this. */
  readonly maxLength?: number;
  /** Keep no entry longer than this, in ms. */
  readonly maxAgeMs?: number;
  /** Remove also what was not consumed yet. */
  readonly lossy?: boolean;
}

/** On how many replicas an event must be before it is confirmed. */
export interface Replicas {
  /** Of the master. It must have at least one more, so that one can fail. */
  readonly replicas: number;
  /** How long they may take, in ms. Default 1000. An event that they do not have by then is rejected with `…_NOT_REPLICATED`. */
  readonly timeoutMs?: number;
}

export interface Credentials {
  readonly username?: string;
  readonly password: string;
}

/** What every transport over Redis Streams can be told, whatever servers it is on. */
export interface EngineOptions {
  /** Begins every key. Default `events`. */
  readonly prefix?: string;
  /** Partitions of each topic, the same in all services. Default 1. */
  readonly partitions?: number;
  /** How long a delivery stays with a consumer that shows no sign of life, in ms. Default 30 000. */
  readonly leaseMs?: number;
  /** How often to look for deliveries of dead consumers and for what others delayed, in ms. Default 1000. */
  readonly claimIntervalMs?: number;
  /** How long Redis may take for an answer, and an event for its confirmation, in ms. Default 5000. */
  readonly timeoutMs?: number;
  /** The longest that a read waits for events at the server, in ms. Default 1000. */
  readonly blockMs?: number;
  /** A failed delivery comes back after this, doubled with each attempt up to 30 s, unless its reason says when. In ms, default 100. */
  readonly redeliverMs?: number;
  /** The most events that may wait for Redis. Default 100 000. */
  readonly maxBuffered?: number;
  /** Default: everything is kept. */
  readonly retention?: Retention;
  /**
   * When an event is confirmed: `async`, the default, once the master has it (a failover may lose the last moments), else once
   * so many of its replicas have it too.
   */
  readonly durability?: 'async' | Replicas;
  /** As whom to log in, asked before every connection is made: a password can be changed without a restart. */
  readonly credentials?: () => Credentials | Promise<Credentials>;
}

export interface RedisStreamsOptions extends EngineOptions {
  /** `redis://user:password@host:6379/0`. Default: localhost. */
  readonly url?: string;
  /** Options of ioredis, for all that a URL does not say: TLS, credentials, address families. */
  readonly redis?: RedisOptions;
  /** A client of yours, for commands. It is never closed; readers are made with its `duplicate`. */
  readonly client?: Redis;
  /** Makes the clients, for topologies that one address does not describe. What it makes is closed with the transport. */
  readonly connect?: (purpose: ConnectionPurpose, options: RedisOptions & { readonly replyMapping: 'legacy' }) => Redis;
  /** Default `redis-streams`. */
  readonly name?: string;
}

/** The options with their defaults, checked. */
export interface Settings {
  readonly name: string;
  readonly prefix: string;
  readonly partitions: number;
  readonly leaseMs: number;
  readonly claimIntervalMs: number;
  readonly timeoutMs: number;
  readonly blockMs: number;
  readonly redeliverMs: number;
  readonly maxBuffered: number;
  /** How long an event may wait for its confirmation, in ms. */
  readonly confirmMs: number;
  readonly durability: Required<Replicas> | undefined;
  readonly retention: Retention | undefined;
}

/** What a timer of Node takes: with more it fires at once. */
export const MAX_MS = 2 ** 31 - 1;

const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0;

/** Whether a timer can be set to it, in ms. */
export const isDuration = (value: unknown): boolean => isCount(value) && Number(value) <= MAX_MS;

/** The options with their defaults, checked. Throws `EVENTS_CONFIG` for what cannot be meant. */
export const settingsOf = (name: string, options: EngineOptions, confirmMs?: number): Settings => {
  const { prefix = 'events', partitions = 1, leaseMs = 30_000, claimIntervalMs = 1000 } = options;
  const { timeoutMs = 5000, blockMs = 1000, redeliverMs = 100, maxBuffered = 100_000 } = options;
  const { retention, durability = 'async', credentials } = options;
  const refuse = (what: string): EventsError => new EventsError('EVENTS_CONFIG', `${name}: ${what}.`);
  if (typeof name !== 'string' || name === '')
    throw new EventsError('EVENTS_CONFIG', '`name` of a transport is a word.');
  if (!/^[\w.:-]{1,100}$/.test(prefix)) throw refuse('`prefix` takes letters, digits, . : - and _, at most 100');
  if (durability !== 'async' && !isCount(durability?.replicas))
    throw refuse("`durability` is 'async', or { replicas, timeoutMs } with `replicas` from 1 on");
  const replicas =
    durability === 'async' ? undefined : { replicas: durability.replicas, timeoutMs: durability.timeoutMs ?? 1000 };
  const durations = { leaseMs, claimIntervalMs, timeoutMs, blockMs, redeliverMs };
  const counts = { partitions, maxBuffered };
  const { maxLength = 1, maxAgeMs = 1 } = retention ?? {};
  for (const [option, value] of Object.entries({ ...counts, maxLength, maxAgeMs }))
    if (!isCount(value)) throw refuse(`\`${option}\` must be a whole number from 1 on, not ${value}`);
  for (const [option, value] of Object.entries({ ...durations, 'durability.timeoutMs': replicas?.timeoutMs ?? 1 }))
    if (!isDuration(value))
      throw refuse(`\`${option}\` must be a whole number of ms from 1 to ${MAX_MS}, not ${value}`);
  if (credentials !== undefined && typeof credentials !== 'function')
    throw refuse('`credentials` is a function; a user and a password that stay the same belong into `redis`');
  return { name, prefix, ...counts, ...durations, confirmMs: confirmMs ?? timeoutMs, durability: replicas, retention };
};
