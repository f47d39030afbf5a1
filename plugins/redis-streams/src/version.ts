import { EventsError } from '@logistically/events-kernel';

/** XAUTOCLAIM's options on XPENDING (IDLE, exclusive ranges) came with it. */
const FLOOR = [6, 2] as const;

/** Of a server, from what `INFO server` tells. */
export const versionOf = (info: string): string => /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown';

/** Throws `EVENTS_REDIS_STREAMS_VERSION` for a server that lacks what is used here. One that hides its version is trusted. */
export const checkVersion = ({ redis = '' }: Readonly<Record<string, string>>): void => {
  const [major = Number.NaN, minor = 0] = redis.split('.').map(Number);
  if (major < FLOOR[0] || (major === FLOOR[0] && minor < FLOOR[1]))
    throw new EventsError(
      'EVENTS_REDIS_STREAMS_VERSION',
      `This is Redis ${redis}; ${FLOOR.join('.')} or newer is needed, 7.0 recommended.`,
    );
};
