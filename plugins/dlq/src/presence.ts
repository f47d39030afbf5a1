import { randomUUID } from 'node:crypto';
import type { Host, LifecycleEvents, Store } from '@logistically/events-kernel';

const BEAT_MS = 10_000;
/** Three beats may be missed. */
const TTL_MS = 35_000;
/** Stands for every topic: a pattern may read any. */
const ANY = '*';

const keyOf = (group: string, topic: string): string => `dlq:reader:${group}:${topic}`;

/** Whether somebody who uses this plugin reads a topic for a group right now. */
export const isRead = async (store: Store, group: string, topic: string): Promise<boolean> =>
  Boolean((await store.get(keyOf(group, topic))) || (await store.get(keyOf(group, ANY))));

type Place = Pick<LifecycleEvents['subscribed'], 'pattern' | 'group' | 'transport'>;

/**
 * Says in the store of a transport which groups this process reads it for. Not every broker can tell: on Redis before 7.2 a
 * consumer without traffic looks like one that is gone.
 */
export class Presence {
  readonly #host: Host;
  readonly #self = randomUUID();
  /** Subscriptions by transport and key. */
  readonly #counts = new Map<string, Map<string, number>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(host: Host) {
    this.#host = host;
    host.on('subscribed', (place) => this.#enter(place));
    host.on('unsubscribed', (place) => this.#leave(place));
    host.onStop(() => this.#end());
  }

  #enter(place: Place): void {
    const key = this.#keyOf(place);
    const counts = this.#counts.get(place.transport) ?? new Map<string, number>();
    this.#counts.set(place.transport, counts.set(key, (counts.get(key) ?? 0) + 1));
    this.#timer ??= setInterval(() => this.#beat(), BEAT_MS).unref();
    if (counts.get(key) === 1) this.#tell(place.transport, [key]);
  }

  #leave(place: Place): void {
    const key = this.#keyOf(place);
    const counts = this.#counts.get(place.transport);
    const left = (counts?.get(key) ?? 0) - 1;
    if (left > 0) counts?.set(key, left);
    else if (counts?.delete(key)) void this.#withdraw(place.transport, key);
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const places = [...this.#counts].flatMap(([transport, counts]) =>
      [...counts.keys()].map((key) => [transport, key] as const),
    );
    this.#counts.clear();
    await Promise.all(places.map((place) => this.#withdraw(...place)));
  }

  #beat(): void {
    for (const [transport, counts] of this.#counts) this.#tell(transport, [...counts.keys()]);
  }

  /** What cannot be written now is written by the next beat. */
  #tell(transport: string, keys: readonly string[]): void {
    this.#storeOf(transport)
      ?.setMany(
        keys.map((key) => [key, this.#self] as const),
        { ttlMs: TTL_MS },
      )
      .catch(() => {});
  }

  /** What another process of the group has said meanwhile stays. */
  async #withdraw(transport: string, key: string): Promise<void> {
    await this.#storeOf(transport)
      ?.compareAndSet(key, this.#self, '', { ttlMs: 1 })
      .catch(() => {});
  }

  #keyOf({ pattern, group }: Place): string {
    if (pattern.includes(ANY)) return keyOf(group, ANY);
    try {
      return keyOf(group, this.#host.create(pattern, undefined).topic);
    } catch {
      return keyOf(group, ANY);
    }
  }

  #storeOf(transport: string): Store | undefined {
    return this.#host.transports().find(({ name }) => name === transport)?.capabilities.store;
  }
}
