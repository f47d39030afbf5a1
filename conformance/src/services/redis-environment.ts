import { EventsError } from '@logistically/events-kernel';
import { parseRedisUrl } from './redis-address.ts';
import type { RedisAttempt } from './redis-attempt.ts';
import { redisCommand } from './redis-command.ts';
import { isConfigured, type RedisOptions } from './redis-options.ts';
import { foreignRedisService } from './redis-service.ts';

const ANSWER_DEADLINE_MS = 5_000;

/**
 * Takes the server that `REDIS_URL` names. Rejects with `EVENTS_SERVICE_UNAVAILABLE` when it does not answer: a test on
 * another server than the one that was named would prove something else.
 */
export const redisFromEnvironment = async (options: RedisOptions): Promise<RedisAttempt> => {
  const url = process.env.REDIS_URL;
  if (!url) return { reason: 'REDIS_URL is not set' };
  if (isConfigured(options)) return { reason: 'the server of REDIS_URL cannot be given options' };
  const address = parseRedisUrl(url);
  if (address === undefined) {
    throw new EventsError(
      'EVENTS_SERVICE_UNAVAILABLE',
      'REDIS_URL is not of the form redis://host:port. Correct or unset it.',
    );
  }
  try {
    await redisCommand(address, ['PING'], ANSWER_DEADLINE_MS);
  } catch (error) {
    throw new EventsError(
      'EVENTS_SERVICE_UNAVAILABLE',
      `REDIS_URL names the server ${address.host}:${address.port}, which does not answer PING. Start it, correct the address or unset it.`,
      { cause: error },
    );
  }
  return { service: foreignRedisService(address, url) };
};
