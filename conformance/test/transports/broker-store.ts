import type { Expiry, Lease, Store } from '@logistically/events-kernel';
import type { Broker } from './broker.ts';

/** The broker's shared state. Within one process every step is atomic by itself. */
export const brokerStore = ({ values, tokens }: Broker): Store => {
  const read = (key: string): string | undefined => {
    const held = values.get(key);
    return held && held.expires > Date.now() ? held.value : undefined;
  };
  const write = (key: string, value: string, { ttlMs = Number.POSITIVE_INFINITY }: Expiry = {}): true => {
    values.set(key, { value, expires: Date.now() + ttlMs });
    return true;
  };
  const lease = (key: string, ttlMs: number): Lease | undefined => {
    const name = `lease:${key}`;
    if (read(name) !== undefined) return undefined;
    const token = (tokens.get(key) ?? 0) + 1;
    tokens.set(key, token);
    write(name, String(token), { ttlMs });
    const held = (): boolean => read(name) === String(token);
    return {
      token,
      renew: async () => held() && write(name, String(token), { ttlMs }),
      release: async () => {
        if (held()) values.delete(name);
      },
    };
  };
  return {
    get: async (key) => read(`value:${key}`),
    set: async (key, value, expiry) => void write(`value:${key}`, value, expiry),
    delete: async (key) => void values.delete(`value:${key}`),
    setIfAbsent: async (key, value, expiry) =>
      read(`value:${key}`) === undefined && write(`value:${key}`, value, expiry),
    setMany: async (entries, { ifAbsent = false, ...expiry } = {}) =>
      entries.map(
        ([key, value]) => (!ifAbsent || read(`value:${key}`) === undefined) && write(`value:${key}`, value, expiry),
      ),
    compareAndSet: async (key, expected, value, expiry) =>
      read(`value:${key}`) === expected && write(`value:${key}`, value, expiry),
    increment: async (key, by = 1, expiry) => {
      const sum = Number(read(`value:${key}`) ?? 0) + by;
      write(`value:${key}`, String(sum), expiry);
      return sum;
    },
    lease: async (key, ttlMs) => lease(key, ttlMs),
  };
};
