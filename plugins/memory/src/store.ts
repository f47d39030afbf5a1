import { EventsError, type Expiry, type Lease, type Store } from '@logistically/events-kernel';

/** A map whose values may have a time to live. What has expired is swept out as the map grows, so no timer is needed. */
class ExpiringMap<T> {
  readonly #values = new Map<string, { readonly value: T; readonly expires: number }>();
  #sweepAt = 1024;

  get(key: string): T | undefined {
    const held = this.#values.get(key);
    return held && held.expires > Date.now() ? held.value : undefined;
  }

  set(key: string, value: T, { ttlMs = Number.POSITIVE_INFINITY }: Expiry = {}): void {
    this.#values.set(key, { value, expires: Date.now() + ttlMs });
    if (this.#values.size >= this.#sweepAt) this.#sweep();
  }

  /** Changes a value and leaves it the time that it has. */
  replace(key: string, value: T): void {
    const { expires = Number.POSITIVE_INFINITY } = this.get(key) === undefined ? {} : (this.#values.get(key) ?? {});
    this.#values.set(key, { value, expires });
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  #sweep(): void {
    const now = Date.now();
    for (const [key, { expires }] of this.#values) if (expires <= now) this.#values.delete(key);
    this.#sweepAt = Math.max(1024, this.#values.size * 2);
  }
}

/** The capability `store` in the memory of the process. */
export const createStore = (): Store => {
  const values = new ExpiringMap<string>();
  const leases = new ExpiringMap<number>();
  let token = 0;

  const compareAndSet = async (key: string, expected: string | undefined, value: string, options?: Expiry): Promise<boolean> => {
    if (values.get(key) !== expected) return false;
    values.set(key, value, options);
    return true;
  };

  return {
    get: async (key) => values.get(key),
    set: async (key, value, options) => values.set(key, value, options),
    delete: async (key) => values.delete(key),
    setIfAbsent: (key, value, options) => compareAndSet(key, undefined, value, options),
    compareAndSet,

    async increment(key, by = 1, options) {
      const current = values.get(key);
      const sum = Number(current ?? 0) + by;
      if (!Number.isSafeInteger(sum))
        throw new EventsError('EVENTS_MEMORY_COUNTER', `${JSON.stringify(key)} holds no whole number: increment another key.`);
      if (current === undefined || options) values.set(key, String(sum), options);
      else values.replace(key, String(sum));
      return sum;
    },

    async lease(key, ttlMs): Promise<Lease | undefined> {
      if (leases.get(key) !== undefined) return undefined;
      const own = ++token;
      leases.set(key, own, { ttlMs });
      return {
        token: own,
        renew: async () => {
          if (leases.get(key) !== own) return false;
          leases.set(key, own, { ttlMs });
          return true;
        },
        release: async () => {
          if (leases.get(key) === own) leases.delete(key);
        },
      };
    },
  };
};
