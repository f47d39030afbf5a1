import type { Transport } from '@logistically/events-kernel';
import { Redis } from 'ioredis';
import { type ConnectionPurpose, clientOptions } from './connection.ts';
import { loginOf } from './login.ts';
import { type RedisStreamsOptions, settingsOf } from './options.ts';
import { createSingle } from './single.ts';
import { createTransport, type RedisStreamsCapabilities } from './transport.ts';

/** Redis Streams as a transport. Needs Redis 6.2 or newer. */
export const redisStreams = (options: RedisStreamsOptions = {}): Transport<RedisStreamsCapabilities> => {
  const { name = 'redis-streams', client, connect, credentials, url, redis } = options;
  const settings = settingsOf(name, options);
  const makeClient = (purpose: ConnectionPurpose): Redis => {
    const needed = clientOptions(purpose, settings.timeoutMs);
    if (connect) return connect(purpose, needed);
    if (client) return client.duplicate(needed);
    const all = { ...redis, ...needed, ...(credentials && { retryStrategy: null }) };
    return url === undefined ? new Redis(all) : new Redis(url, all);
  };
  const way =
    credentials && !connect && !client
      ? { dial: () => loginOf('credentials', credentials, Date.now() + settings.timeoutMs) }
      : {};
  return createTransport(settings, (listener) => createSingle({ settings, listener, makeClient, client, way }));
};
