import {
  type Address,
  addressesOf,
  type ConnectionPurpose,
  type FailoverOptions,
  failoverSettingsOf,
  type Settings,
} from '@logistically/events-redis-streams/engine';
import type { Redis, RedisOptions } from 'ioredis';

export interface RedisClusterOptions extends FailoverOptions {
  /** Some nodes, at least one that lives; they name the others. Port 6379 unless given. */
  readonly clusterNodes: readonly { readonly host: string; readonly port?: number }[];
  /** Options of ioredis for every node: TLS, user and password, address families. */
  readonly redis?: Omit<RedisOptions, 'db'>;
  /** Makes the clients of the nodes, from all that they need: a subclass, or one that is watched. Closed with the transport. */
  readonly connect?: (purpose: ConnectionPurpose, options: RedisOptions & { readonly replyMapping: 'legacy' }) => Redis;
  /** Default `redis-cluster`. */
  readonly name?: string;
}

/** The options with their defaults, checked. */
export interface ClusterSettings {
  readonly engine: Settings;
  readonly seeds: readonly Address[];
  readonly connectMs: number;
}

/** Throws `EVENTS_CONFIG` for what cannot be meant. */
export const clusterSettingsOf = (options: RedisClusterOptions): ClusterSettings => {
  const { name = 'redis-cluster', clusterNodes } = options ?? {};
  const seeds = addressesOf('redis-cluster', 'clusterNodes', clusterNodes, 6379);
  return { seeds, ...failoverSettingsOf('redis-cluster', name, options) };
};
