import { EventsError } from '@logistically/events-kernel';
import {
  type ConnectionPurpose,
  type Credentials,
  type EngineOptions,
  type Settings,
  settingsOf,
} from '@logistically/events-redis-streams/engine';
import type { Redis, RedisOptions } from 'ioredis';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface RedisSentinelOptions extends Omit<EngineOptions, 'timeoutMs'> {
  /** Some of the sentinels, at least one that lives; they name the others. Port 26379 unless given. */
  readonly sentinels: readonly { readonly host: string; readonly port?: number }[];
  /** What the sentinels call the master. Default `mymaster`. */
  readonly sentinelName?: string;
  /** Options of ioredis for the servers: TLS, user and password, database, address families. */
  readonly redis?: RedisOptions;
  /** As whom to log in to the servers, asked before every connection is made: a password can be changed without a restart. */
  readonly credentials?: () => Credentials | Promise<Credentials>;
  /** As whom to log in to the sentinels, which have users and passwords of their own. */
  readonly sentinelCredentials?: Credentials | (() => Credentials | Promise<Credentials>);
  /** TLS to the sentinels, as `tls.connect` takes it; `{}` for the defaults. */
  readonly sentinelTls?: NonNullable<RedisOptions['tls']>;
  /** Makes the clients of the servers, from all that they need: a subclass, or one that is watched. Closed with the transport. */
  readonly connect?: (purpose: ConnectionPurpose, options: RedisOptions & { readonly replyMapping: 'legacy' }) => Redis;
  /** Where the addresses that sentinels tell can be reached from here: `{ '10.0.0.1:6379': { host, port } }`, or a function. */
  readonly natMap?: Readonly<Record<string, Address>> | ((address: string) => Address | undefined);
  /** Default `redis-sentinel`. */
  readonly name?: string;
  /** How long a connection may take to be made, in ms. Default 5000. */
  readonly connectionTimeout?: number;
  /** How long a server may take for an answer, in ms. Default 3000. */
  readonly commandTimeout?: number;
  /** Follow the master when it changes. Default true. */
  readonly enableFailover?: boolean;
  /**
   * How long an event that finds no master waits for the next one, beyond `commandTimeout`: `maxRetries × retryDelay` ms.
   * Default `{ enabled: true, maxRetries: 3, retryDelay: 1000 }`.
   */
  readonly failoverRecovery?: {
    readonly enabled?: boolean;
    readonly maxRetries?: number;
    readonly retryDelay?: number;
  };
}

/** The options with their defaults, checked. */
export interface SentinelSettings {
  readonly engine: Settings;
  readonly sentinels: readonly Address[];
  readonly sentinelName: string;
  readonly connectMs: number;
}

const refuse = (what: string): EventsError => new EventsError('EVENTS_CONFIG', `redis-sentinel: ${what}.`);

const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;

/** Throws `EVENTS_CONFIG` for what cannot be meant. */
export const sentinelSettingsOf = (options: RedisSentinelOptions): SentinelSettings => {
  const { name = 'redis-sentinel', sentinels, sentinelName = 'mymaster' } = options;
  const { connectionTimeout = 5000, commandTimeout = 3000 } = options;
  const { enabled = true, maxRetries = 3, retryDelay = 1000 } = options.failoverRecovery ?? {};
  if (!Array.isArray(sentinels) || sentinels.length === 0)
    throw refuse('`sentinels` needs one { host, port } at least');
  const addresses = sentinels.map((node) => ({ host: node?.host, port: node?.port ?? 26_379 }));
  for (const { host, port } of addresses)
    if (typeof host !== 'string' || host === '' || !isPort(port))
      throw refuse('`sentinels` takes { host, port }, with a port from 1 to 65535');
  if (!/^[\w.:-]{1,100}$/.test(sentinelName)) throw refuse('`sentinelName` takes letters, digits, . : - and _');
  for (const [option, value] of Object.entries({ connectionTimeout, commandTimeout }))
    if (!(Number.isInteger(value) && value > 0)) throw refuse(`\`${option}\` must be a whole number of ms from 1 on`);
  for (const [option, value] of Object.entries({ maxRetries, retryDelay }))
    if (!(Number.isInteger(value) && value >= 0)) throw refuse(`\`failoverRecovery.${option}\` must be a whole number`);
  const confirmMs = commandTimeout + (enabled ? maxRetries * retryDelay : 0);
  const engine = settingsOf(name, { ...options, timeoutMs: commandTimeout }, confirmMs);
  return { engine, sentinels: addresses, sentinelName, connectMs: connectionTimeout };
};
