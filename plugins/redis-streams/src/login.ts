import { EventsError, within } from '@logistically/events-kernel';
import type { Credentials } from './options.ts';

const refusal = (option: string, what: string): EventsError =>
  new EventsError(
    'EVENTS_REDIS_STREAMS_CREDENTIALS',
    `\`${option}\` ${what}: there is no connection until it gives { username?, password }. It is asked again for the next attempt.`,
  );

/**
 * As whom to log in, from a function of the user's: by a deadline (ms since the epoch), since it may hang. Of what it throws only
 * the name is told, which holds no secret. Throws `EVENTS_REDIS_STREAMS_CREDENTIALS`.
 */
export const loginOf = async (
  option: string,
  credentials: (() => Credentials | Promise<Credentials>) | undefined,
  deadline: number,
): Promise<Partial<Credentials>> => {
  if (!credentials) return {};
  let given: Credentials | undefined;
  const asking = (async () => {
    given = await credentials();
  })();
  const isThere = await within(asking, deadline).catch((error: unknown) => {
    throw refusal(option, `failed (${error instanceof Error ? error.name : typeof error})`);
  });
  if (!isThere) throw refusal(option, 'gave no answer in time');
  const { username, password } = given ?? {};
  if (typeof password !== 'string' || (username !== undefined && typeof username !== 'string'))
    throw refusal(option, 'gave something else than strings');
  return { ...(username !== undefined && { username }), password };
};
