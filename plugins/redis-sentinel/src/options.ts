import {
  type Address,
  addressesOf,
  type ConnectionPurpose,
  type Credentials,
  type FailoverOptions,
  failoverSettingsOf,
  refusal,
  type Settings,
} from '@logistically/events-redis-streams/engine';
import type { Redis, RedisOptions } from 'ioredis';

export interface RedisSentinelOptions extends FailoverOptions {
  /** Some of the sentinels, at least one that lives; they name the others. Port 26379 unless given. */
  readonly sentinels: readonly { readonly host: string; readonly port?: number }[];
  /** What the sentinels call the master. Default `mymaster`. */
  readonly sentinelName?: string;
  /** Options of ioredis for the servers: TLS, user and password, database, address families. */
  readonly redis?: RedisOptions;
  /** As whom to log in to the sentinels, which have users and passwords of their own. */
  readonly sentinelCredentials?: Credentials | (() => Credentials | Promise<Credentials>);
  /** TLS to the sentinels, as `tls.connect` takes it; `{}` for the defaults. */
  readonly sentinelTls?: NonNullable<RedisOptions['tls']>;
  /** Makes the clients of the servers, from all that they need: a subclass, or one that is watched. Closed with the transport. */
  readonly connect?: (purpose: ConnectionPurpose, options: RedisOptions & { readonly replyMapping: 'legacy' }) => Redis;
  /** Default `redis-sentinel`. */
  readonly name?: string;
}

/** The options with their defaults, checked. */
export interface SentinelSettings {
  readonly engine: Settings;
  readonly sentinels: readonly Address[];
  readonly sentinelName: string;
  readonly connectMs: number;
}

/** Throws `EVENTS_CONFIG` for what cannot be meant. */
export const sentinelSettingsOf = (options: RedisSentinelOptions): SentinelSettings => {
  const { name = 'redis-sentinel', sentinelName = 'mymaster', sentinelCredentials } = options ?? {};
  const sentinels = addressesOf('redis-sentinel', 'sentinels', options?.sentinels, 26_379);
  const constant = typeof sentinelCredentials === 'function' ? undefined : sentinelCredentials;
  if (constant !== undefined && typeof constant?.password !== 'string')
    throw refusal(
      'redis-sentinel',
      '`sentinelCredentials` takes { username?, password }, or a function that gives them',
    );
  if (!/^[\w.:-]{1,100}$/.test(sentinelName))
    throw refusal('redis-sentinel', '`sentinelName` takes letters, digits, . : - and _');
  return { sentinels, sentinelName, ...failoverSettingsOf('redis-sentinel', name, options) };
};
