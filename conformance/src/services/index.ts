export { type PostgresOptions, type PostgresSource, postgres } from './postgres.ts';
export type { PostgresService } from './postgres-service.ts';
export { type NetworkProxy, type ProxyTarget, proxy } from './proxy.ts';
export { redis } from './redis.ts';
export type { RedisOptions, RedisSource } from './redis-options.ts';
export type { RedisServer, RedisService } from './redis-service.ts';
export { sharedRedis } from './shared-redis.ts';
export { spawnWorker, type WorkerExit, type WorkerProcess } from './worker-process.ts';
