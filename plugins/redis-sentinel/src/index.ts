export type { Address } from '@logistically/events-redis-streams/engine';
export type { RedisSentinelOptions } from './options.ts';
export { redisSentinel } from './redis-sentinel.ts';
