import { redis } from './redis.ts';
import type { RedisServer } from './redis-service.ts';

// On the global object and not in this module: a test runner loads modules anew for every test file, while one server
// for the whole worker is what is wanted.
const slot: unique symbol = Symbol.for('@logistically/events-conformance/shared-redis');

/**
 * The Redis server that all tests of one worker process share, started by the first that asks. Each test uses topics of
 * its own. It cannot be stopped or hurt, and ends with the process. Rejects as {@link redis} does.
 */
export const sharedRedis = (): Promise<RedisServer> => {
  const holder = globalThis as typeof globalThis & { [slot]?: Promise<RedisServer> };
  holder[slot] ??= redis();
  return holder[slot];
};
