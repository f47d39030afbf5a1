import type { Transport } from '@logistically/events-kernel';
import { createTransport, type RedisStreamsCapabilities } from '@logistically/events-redis-streams/engine';
import { ClusterTopology } from './cluster.ts';
import { clusterSettingsOf, type RedisClusterOptions } from './options.ts';

/** Redis Streams on a cluster: every partition of a topic in a slot of its own. Needs Redis 6.2 or newer. */
export const redisCluster = (options: RedisClusterOptions): Transport<RedisStreamsCapabilities> => {
  const settings = clusterSettingsOf(options);
  return createTransport(settings.engine, (listener) => new ClusterTopology(options, settings, listener));
};
