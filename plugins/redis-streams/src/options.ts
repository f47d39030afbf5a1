import { EventsError } from '@logistically/events-kernel';
import type { Redis, RedisOptions } from 'ioredis';
import type { ConnectionPurpose, RedisClient } from './connection.ts';

/** What is removed from a topic partition, and when. Nothing that a group has not settled, unless `lossy`. */
export interface Retention {
  /** Keep no more entries than this. */
  readonly maxLength?: number;
  /** Keep no entry longer than this, in ms. */
  readonly maxAgeMs?: number;
  /** Remove also what was not consumed yet. */
  readonly lossy?: boolean;
}

export interface RedisStreamsOptions {
  /** `redis://user:password@host:6379/0`. Default: localhost. */
  readonly url?: string;
  /** Options of ioredis, for all that a URL does not say: TLS, credentials, address families. */
  readonly redis?: RedisOptions;
  /** A client of yours, for commands. It is never closed; readers are made with its `duplicate`. */
  readonly client?: Redis;
  /** Makes the clients, for topologies that one address does not describe. What it makes is closed with the transport. */
  readonly connect?: (
    purpose: ConnectionPurpose,
    options: RedisOptions & { readonly replyMapping: 'legacy' },
  ) => RedisClient;
  /** Default `redis-streams`. */
  readonly name?: string;
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
}

/** Throws `EVENTS_CONFIG` for what cannot be meant. */
export const settingsOf = (options: RedisStreamsOptions): Settings => {
  const {
    name = 'redis-streams',
    prefix = 'events',
    partitions = 1,
    leaseMs = 30_000,
    claimIntervalMs = 1000,
  } = options;
  const { timeoutMs = 5000, blockMs = 1000, redeliverMs = 100, maxBuffered = 100_000, retention } = options;
  if (!/^[\w.:-]{1,100}$/.test(prefix))
    throw new EventsError('EVENTS_CONFIG', 'redisStreams: `prefix` takes letters, digits, . : - and _, at most 100.');
  const numbers = { partitions, leaseMs, claimIntervalMs, timeoutMs, blockMs, redeliverMs, maxBuffered };
  for (const [option, value] of Object.entries({ ...numbers, ...retention })) {
    if (option !== 'lossy' && !(Number.isInteger(value) && Number(value) > 0))
      throw new EventsError(
        'EVENTS_CONFIG',
        `redisStreams: \`${option}\` must be a whole number from 1 on, not ${value}.`,
      );
  }
  return { name, prefix, ...numbers };
};
