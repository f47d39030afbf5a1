import { EventsError, type Expiry, type Store } from '@logistically/events-kernel';
import type { Redis } from 'ioredis';
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

export const createStore = (opened: () => Opened, keys: Keys): Store => {
  /** Runs a command on the key of the store that it is given. */
  const at = <T>(key: string, command: (client: Redis, name: string) => Promise<T>): Promise<T> => {
    const name = keys.store(key);
    return opened()
      .topology.at(name)
      .run((client) => command(client, name));
  };
  const setOne = async (key: string, value: string, ms: number): Promise<boolean> => {
    await at(key, (client, name) => (ms > 0 ? client.set(name, value, 'PX', ms) : client.set(name, value)));
    return true;
  };
  const setIfAbsent = async (key: string, value: string, ms: number): Promise<boolean> => {
    const reply = await at(key, (client, name) =>
      ms > 0 ? client.set(name, value, 'PX', ms, 'NX') : client.set(name, value, 'NX'),
    );
    return reply === 'OK';
  };
  return {
    async get(key) {
      return (await at(key, (client, name) => client.get(name))) ?? undefined;
    },
    async set(key, value, options) {
      const ms = ttl(options);
      await setOne(key, value, ms);
    },
    async delete(key) {
      await at(key, (client, name) => client.del(name));
    },
    setIfAbsent: async (key, value, options) => setIfAbsent(key, value, ttl(options)),
    async setMany(entries, { ifAbsent = false, ...expiry } = {}) {
      const ms = ttl(expiry);
      const { topology } = opened();
      const set: boolean[] = [];
      const send = async (indexes: readonly number[]): Promise<void> => {
        const [first = 0] = indexes;
        const [key, value] = entries[first] as (typeof entries)[number];
        // On a cluster most are alone in their slot: a plain command is cheaper for the server than a script.
        if (indexes.length === 1) {
          set[first] = ifAbsent ? await setIfAbsent(key, value, ms) : await setOne(key, value, ms);
          return;
        }
        const part = indexes.map((index) => entries[index] as (typeof entries)[number]);
        const names = part.map(([key]) => keys.store(key));
        const args = [ms, ifAbsent ? 1 : 0, ...part.map(([, value]) => value)];
        const digits = await topology.at(names[0] as string).run((client) => setManyScript.run(client, names, args));
        indexes.forEach((index, i) => {
          set[index] = String(digits)[i] === '1';
        });
      };
      const places = new Map<string, number[]>();
      entries.forEach(([key], index) => {
        const place = topology.placeOf(keys.store(key));
        const indexes = places.get(place);
        if (indexes) indexes.push(index);
        else places.set(place, [index]);
      });
      const parts: Promise<void>[] = [];
      for (const indexes of places.values())
        for (let i = 0; i < indexes.length; i += MAX_KEYS) parts.push(send(indexes.slice(i, i + MAX_KEYS)));
      await Promise.all(parts);
      return set;
    },
    async compareAndSet(key, expected, value, options) {
      const args = [expected === undefined ? '0' : '1', expected ?? '', value, ttl(options)];
      return (await at(key, (client, name) => compareAndSetScript.run(client, [name], args))) === 1;
    },
    async increment(key, by = 1, options) {
      const args = [by, ttl(options)];
      return Number(await at(key, (client, name) => incrementScript.run(client, [name], args)));
    },
    async lease(key, ttlMs) {
      const ms = ttl({ ttlMs });
      const act = (args: (string | number)[]): Promise<unknown> =>
        at(key, (client, name) => leaseScript.run(client, [name, keys.tokens(key)], args));
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
  };
};
