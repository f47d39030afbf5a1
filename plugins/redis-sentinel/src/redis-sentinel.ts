import type { Transport } from '@logistically/events-kernel';
import {
  type Address,
  type Connection,
  type ConnectionPurpose,
  clientOptions,
  createSingle,
  createTransport,
  type Endpoint,
  loginOf,
  type RedisReplyError,
  type RedisStreamsCapabilities,
  replyError,
  type Topology,
  type TopologyListener,
} from '@logistically/events-redis-streams/engine';
import { Redis } from 'ioredis';
import { type RedisSentinelOptions, type SentinelSettings, sentinelSettingsOf } from './options.ts';
import { Sentinels } from './sentinels.ts';

/** Redis Streams on the master that Sentinel names, whichever that is. Needs Redis 6.2 or newer. */
export const redisSentinel = (options: RedisSentinelOptions): Transport<RedisStreamsCapabilities> => {
  const settings = sentinelSettingsOf(options);
  return createTransport(settings.engine, (listener) => createTopology(options, settings, listener));
};

/** What a server replies that is no longer, or not yet, the master; nothing was done. */
const PASSING = new Set(['READONLY', 'LOADING', 'MASTERDOWN', 'NOREPLICAS']);
/** Those of them that another server would not reply. */
const DEMOTED = new Set(['READONLY', 'MASTERDOWN']);

const isMaster = async (client: Redis): Promise<boolean> => {
  try {
    const [role] = await client.role();
    return role === 'master';
  } catch (error) {
    // A user that may not ask learns it from the first write.
    if (error instanceof Error && error.message.startsWith('NOPERM')) return true;
    throw error;
  }
};

const createTopology = (
  {
    redis,
    credentials,
    sentinelCredentials,
    sentinelTls,
    natMap,
    enableFailover = true,
    connect = (_, options) => new Redis(options),
  }: RedisSentinelOptions,
  { engine, sentinels: addresses, sentinelName, connectMs }: SentinelSettings,
  listener: TopologyListener,
): Topology => {
  const connections = new Set<Connection>();
  const sentinels = new Sentinels({
    addresses,
    name: sentinelName,
    credentials: sentinelCredentials,
    tls: sentinelTls,
    natMap,
    timeoutMs: engine.timeoutMs,
    isWaitedFor: () => [...connections].some((connection) => !connection.up && !connection.closed),
    onSwitch: ({ host, port }: Address) => {
      if (!enableFailover) return;
      for (const connection of connections) {
        const { options } = connection.client;
        if (!connection.closed && (options.host !== host || options.port !== port)) connection.redial();
      }
    },
  });
  let first: Address | undefined;
  const dial = async (): Promise<Endpoint> => {
    if (enableFailover || !first) first = await sentinels.master();
    return { ...first, ...(await loginOf('credentials', credentials, Date.now() + connectMs)) };
  };
  const verify = async (client: Redis): Promise<Error | undefined> => {
    const is = await isMaster(client);
    const { host, port } = client.options;
    if (host !== undefined && port !== undefined) sentinels.answered({ host, port }, is);
    return is ? undefined : replyError('READONLY');
  };
  const onRefused = ({ reply }: RedisReplyError, connection: Connection): void => {
    if (DEMOTED.has(reply)) connection.redial();
  };
  const single = createSingle({
    settings: engine,
    listener,
    makeClient: (purpose: ConnectionPurpose) =>
      connect(purpose, { ...redis, ...clientOptions(purpose, connectMs), retryStrategy: null }),
    way: { dial, verify, passing: PASSING, onRefused },
    onConnection: (connection) => {
      for (const known of connections) if (known.closed) connections.delete(known);
      connections.add(connection);
    },
    explain: () => sentinels.problem(),
  });
  return {
    ...single,
    async open(deadline) {
      sentinels.open();
      await single.open(deadline);
    },
    close() {
      single.close();
      sentinels.close();
    },
  };
};
