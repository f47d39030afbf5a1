export type { Address, RedisSentinelOptions } from './options.ts';
export { redisSentinel } from './redis-sentinel.ts';
