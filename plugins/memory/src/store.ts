import { EventsError, type Expiry, type Lease, type Store } from '@logistically/events-kernel';

/** The size from which on a map is swept. */
const SWEEP_SIZE = 1024;

/** A map whose values may expire. The expired ones are swept out as the map grows, so that it needs no timer. */
class ExpiringMap<T> {
  readonly #held = new Map<string, { readonly value: T; readonly expires: number }>();
  #sweepAt = SWEEP_SIZE;

  get(key: string): T | undefined {
    const held = this.#held.get(key);
    return held && held.expires > Date.now() ? held.value : undefined;
  }

  set(key: string, value: T, { ttlMs = Number.POSITIVE_INFINITY }: Expiry = {}): void {
    this.#held.set(key, { value, expires: Date.now() + ttlMs });
    if (this.#held.size < this.#sweepAt) return;
    for (const [each, { expires }] of this.#held) if (expires <= Date.now()) this.#held.delete(each);
    this.#sweepAt = Math.max(SWEEP_SIZE, this.#held.size * 2);
  }

  /** Changes a value that is there, and leaves it the time that it has. */
  change(key: string, value: T): void {
    this.#held.set(key, { expires: Number.POSITIVE_INFINITY, ...this.#held.get(key), value });
  }

  delete(key: string): void {
    this.#held.delete(key);
  }
}

/** The capability `store`, in the memory of the process. A counter's time to live counts from its first addition. */
export const createStore = (): Store => {
  const values = new ExpiringMap<string>();
  const leases = new ExpiringMap<number>();
  let token = 0;

  const compareAndSet: Store['compareAndSet'] = async (key, expected, value, options) => {
    if (values.get(key) !== expected) return false;
    values.set(key, value, options);
    return true;
  };

  const increment: Store['increment'] = async (key, by = 1, options) => {
    const current = values.get(key);
    const sum = Number(current ?? 0) + by;
    if (!Number.isSafeInteger(sum))
      throw new EventsError(
        'EVENTS_MEMORY_NO_COUNTER',
        'The key holds no whole number, or one too large: count under another key.',
      );
    if (current === undefined) values.set(key, String(sum), options);
    else values.change(key, String(sum));
    return sum;
  };

  const lease: Store['lease'] = async (key, ttlMs): Promise<Lease | undefined> => {
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
  };

  return {
    get: async (key) => values.get(key),
    set: async (key, value, options) => values.set(key, value, options),
    delete: async (key) => values.delete(key),
    setIfAbsent: (key, value, options) => compareAndSet(key, undefined, value, options),
    setMany: async (entries, { ifAbsent = false, ...expiry } = {}) =>
      entries.map(([key, value]) => {
        const isFree = !ifAbsent || values.get(key) === undefined;
        if (isFree) values.set(key, value, expiry);
        return isFree;
      }),
    compareAndSet,
    increment,
    lease,
  };
};
