export type { Address } from '@logistically/events-redis-streams/engine';
export type { RedisClusterOptions } from './options.ts';
export { redisCluster } from './redis-cluster.ts';
