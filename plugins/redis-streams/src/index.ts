export type { ConnectionPurpose, RedisClient } from './connection.ts';
export type { RedisStreamsOptions, Retention } from './options.ts';
export { type RedisStreamsCapabilities, redisStreams } from './redis-streams.ts';
