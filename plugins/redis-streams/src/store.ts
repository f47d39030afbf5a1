import { EventsError, type Expiry, type Store } from '@logistically/events-kernel';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';
import { compareAndSetScript, incrementScript, leaseScript, setManyScript } from './script.ts';

/** The most keys of one command. */
const MAX_KEYS = 500;

const ttl = (options?: Expiry): number => {
  const ms = options?.ttlMs;
  if (ms === undefined) return 0;
  if (!(ms > 0)) throw new EventsError('EVENTS_CONFIG', `\`ttlMs\` must be more than 0, not ${ms}.`);
  return Math.ceil(ms);
};

export const createStore = (opened: () => Opened, keys: Keys): Store => ({
  async get(key) {
    return (await opened().commands.run((client) => client.get(keys.store(key)))) ?? undefined;
  },
  async set(key, value, options) {
    const ms = ttl(options);
    await opened().commands.run((client) =>
      ms > 0 ? client.set(keys.store(key), value, 'PX', ms) : client.set(keys.store(key), value),
    );
  },
  async delete(key) {
    await opened().commands.run((client) => client.del(keys.store(key)));
  },
  async setIfAbsent(key, value, options) {
    const ms = ttl(options);
    const reply = await opened().commands.run((client) =>
      ms > 0 ? client.set(keys.store(key), value, 'PX', ms, 'NX') : client.set(keys.store(key), value, 'NX'),
    );
    return reply === 'OK';
  },
  async setMany(entries, { ifAbsent = false, ...expiry } = {}) {
    const ms = ttl(expiry);
    const send = async (part: typeof entries): Promise<boolean[]> => {
      const names = part.map(([key]) => keys.store(key));
      const args = [ms, ifAbsent ? 1 : 0, ...part.map(([, value]) => value)];
      const digits = await opened().commands.run((client) => setManyScript.run(client, names, args));
      return Array.from(String(digits), (digit) => digit === '1');
    };
    if (entries.length <= MAX_KEYS) return entries.length > 0 ? send(entries) : [];
    const parts: Promise<boolean[]>[] = [];
    for (let i = 0; i < entries.length; i += MAX_KEYS) parts.push(send(entries.slice(i, i + MAX_KEYS)));
    return (await Promise.all(parts)).flat();
  },
  async compareAndSet(key, expected, value, options) {
    const args = [expected === undefined ? '0' : '1', expected ?? '', value, ttl(options)];
    return (await opened().commands.run((client) => compareAndSetScript.run(client, [keys.store(key)], args))) === 1;
  },
  async increment(key, by = 1, options) {
    return Number(
      await opened().commands.run((client) => incrementScript.run(client, [keys.store(key)], [by, ttl(options)])),
    );
  },
  async lease(key, ttlMs) {
    const ms = ttl({ ttlMs });
    const names = [keys.store(key), keys.tokens(key)];
    const act = (args: (string | number)[]): Promise<unknown> =>
      opened().commands.run((client) => leaseScript.run(client, names, args));
    const token = Number(await act(['take', ms]));
    if (token === 0) return undefined;
    return {
      token,
      renew: async () => (await act(['renew', ms, token])) === 1,
      release: async () => {
        await act(['release', ms, token]);
      },
    };
  },
});
