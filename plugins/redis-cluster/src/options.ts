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

export interface RedisClusterOptions extends Omit<EngineOptions, 'timeoutMs'> {
  /** Some nodes, at least one that lives; they name the others. Port 6379 unless given. */
  readonly clusterNodes: readonly { readonly host: string; readonly port?: number }[];
  /** Options of ioredis for every node: TLS, user and password, address families. */
  readonly redis?: Omit<RedisOptions, 'db'>;
  /** As whom to log in, asked before every connection is made: a password can be changed without a restart. */
  readonly credentials?: () => Credentials | Promise<Credentials>;
  /** Makes the clients of the nodes, from all that they need: a subclass, or one that is watched. Closed with the transport. */
  readonly connect?: (purpose: ConnectionPurpose, options: RedisOptions & { readonly replyMapping: 'legacy' }) => Redis;
  /** Where the addresses that nodes tell can be reached from here: `{ '10.0.0.1:6379': { host, port } }`, or a function. */
  readonly natMap?: Readonly<Record<string, Address>> | ((address: string) => Address | undefined);
  /** Default `redis-cluster`. */
  readonly name?: string;
  /** How long a connection may take to be made, in ms. Default 5000. */
  readonly connectionTimeout?: number;
  /** How long a node may take for an answer, in ms. Default 3000. */
  readonly commandTimeout?: number;
  /** Follow the slots when another node takes them over. Default true. */
  readonly enableFailover?: boolean;
  /**
   * How long an event whose slot nobody serves waits for the next master, beyond `commandTimeout`: `maxRetries × retryDelay` ms.
   * Default `{ enabled: true, maxRetries: 3, retryDelay: 1000 }`.
   */
  readonly failoverRecovery?: {
    readonly enabled?: boolean;
    readonly maxRetries?: number;
    readonly retryDelay?: number;
  };
}

/** The options with their defaults, checked. */
export interface ClusterSettings {
  readonly engine: Settings;
  readonly seeds: readonly Address[];
  readonly connectMs: number;
}

const refuse = (what: string): EventsError => new EventsError('EVENTS_CONFIG', `redis-cluster: ${what}.`);

const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;

/** Throws `EVENTS_CONFIG` for what cannot be meant. */
export const clusterSettingsOf = (options: RedisClusterOptions): ClusterSettings => {
  const { name = 'redis-cluster', clusterNodes, connectionTimeout = 5000, commandTimeout = 3000 } = options;
  const { enabled = true, maxRetries = 3, retryDelay = 1000 } = options.failoverRecovery ?? {};
  if (!Array.isArray(clusterNodes) || clusterNodes.length === 0)
    throw refuse('`clusterNodes` needs one { host, port } at least');
  const seeds = clusterNodes.map((node) => ({ host: node?.host, port: node?.port ?? 6379 }));
  for (const { host, port } of seeds)
    if (typeof host !== 'string' || host === '' || !isPort(port))
      throw refuse('`clusterNodes` takes { host, port }, with a port from 1 to 65535');
  for (const [option, value] of Object.entries({ connectionTimeout, commandTimeout }))
    if (!(Number.isInteger(value) && value > 0)) throw refuse(`\`${option}\` must be a whole number of ms from 1 on`);
  for (const [option, value] of Object.entries({ maxRetries, retryDelay }))
    if (!(Number.isInteger(value) && value >= 0)) throw refuse(`\`failoverRecovery.${option}\` must be a whole number`);
  const confirmMs = commandTimeout + (enabled ? maxRetries * retryDelay : 0);
  const engine = settingsOf(name, { ...options, timeoutMs: commandTimeout }, confirmMs);
  return { engine, seeds, connectMs: connectionTimeout };
};
