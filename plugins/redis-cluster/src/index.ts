export type { Address, RedisClusterOptions } from './options.ts';
export { redisCluster } from './redis-cluster.ts';
