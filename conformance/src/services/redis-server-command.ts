import { EventsError } from '@logistically/events-kernel';
import { findExecutable } from './executable.ts';
import type { RedisSource } from './redis-options.ts';
import { installRedisPackage } from './redis-package.ts';

/** Where the program comes from that all servers of a fleet run. */
export type RedisFleetSource = Extract<RedisSource, 'binary' | 'package'>;

/**
 * The path of `redis-server`: from the PATH, else from the distribution's package, which is installed for it. Rejects
 * with `EVENTS_SERVICE_UNAVAILABLE` when there is none.
 */
export const redisServerCommand = async (
  sources: readonly RedisFleetSource[] = ['binary', 'package'],
): Promise<string> => {
  const tried: string[] = [];
  for (const source of sources) {
    const reason = source === 'package' ? await installRedisPackage() : undefined;
    const command = findExecutable('redis-server');
    if (reason === undefined && command !== undefined) return command;
    tried.push(`${source}: ${reason ?? 'there is no redis-server on the PATH'}`);
  }
  throw new EventsError(
    'EVENTS_SERVICE_UNAVAILABLE',
    `No redis-server can be had, so nothing was tested. Tried ${tried.join('; ')}. Install redis-server: sentinels and clusters run as processes of this machine and never in containers.`,
  );
};
