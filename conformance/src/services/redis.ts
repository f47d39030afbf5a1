import { EventsError } from '@logistically/events-kernel';
import type { RedisAttempt } from './redis-attempt.ts';
import { redisFromBinary } from './redis-binary.ts';
import { redisFromContainer } from './redis-container.ts';
import { redisFromEnvironment } from './redis-environment.ts';
import type { RedisOptions, RedisSource } from './redis-options.ts';
import { redisFromPackage } from './redis-package.ts';
import type { RedisService } from './redis-service.ts';

const attempts: Record<RedisSource, (options: RedisOptions) => Promise<RedisAttempt>> = {
  environment: redisFromEnvironment,
  container: redisFromContainer,
  binary: redisFromBinary,
  package: redisFromPackage,
};

const order = ({ sources, exclusive }: RedisOptions): readonly RedisSource[] =>
  sources ??
  (exclusive ? ['container', 'binary', 'package', 'environment'] : ['environment', 'container', 'binary', 'package']);

/**
 * Gives a test a real Redis server: the one that `REDIS_URL` names, else one of its own from a Docker engine (by
 * Testcontainers), from `redis-server` on the PATH, or, for root on Debian and Ubuntu, from the distribution's package,
 * which is installed for it with a line that says so. A server of its own is the caller's alone, listens on loopback and
 * dies with the process.
 *
 * Rejects with `EVENTS_SERVICE_UNAVAILABLE`, naming all that was tried, when there is none; with `EVENTS_SERVICE_FAILED`
 * when `redis-server` does not come up, as with wrong `args`.
 */
export const redis = async (options: RedisOptions = {}): Promise<RedisService> => {
  const tried: string[] = [];
  for (const source of order(options)) {
    const attempt = await attempts[source](options);
    if ('service' in attempt) return attempt.service;
    tried.push(`${source}: ${attempt.reason}`);
  }
  throw new EventsError(
    'EVENTS_SERVICE_UNAVAILABLE',
    `No Redis server can be had, so nothing was tested. Tried ${tried.join('; ')}. Set REDIS_URL, start Docker (and install the package testcontainers), or install redis-server.`,
  );
};
