import { type Delivery, originOf, type Store } from '@logistically/events-kernel';

const MAX_REMEMBERED = 10_000;
const TTL_MS = 7 * 86_400_000;

const keyOf = ({ group, topic, partition, cursor }: Delivery): string => `dlq:${group}:${topic}/${partition}/${cursor}`;

/** When events failed for the first time: in the process, and in the store of the transport where it has one. */
export class FirstFailures {
  readonly #times = new Map<string, string>();
  readonly #storeOf: (delivery: Delivery) => Store | undefined;
  readonly #report: (reason: unknown) => void;

  constructor(storeOf: (delivery: Delivery) => Store | undefined, report: (reason: unknown) => void) {
    this.#storeOf = storeOf;
    this.#report = report;
  }

  /** An event has failed and will come again: one write for the first time. */
  remember(delivery: Delivery): void {
    const key = keyOf(originOf(delivery));
    if (this.#times.has(key)) return;
    const now = new Date().toISOString();
    this.#times.set(key, now);
    if (this.#times.size > MAX_REMEMBERED) this.#times.delete(this.#times.keys().next().value as string);
    this.#storeOf(delivery)?.setIfAbsent(key, now, { ttlMs: TTL_MS }).catch(this.#report);
  }

  /** ISO 8601; `now` where nothing is known of an earlier failure. */
  async recall(delivery: Delivery, now: string): Promise<string> {
    if (delivery.attempt === 1) return now;
    const key = keyOf(originOf(delivery));
    try {
      return (await this.#storeOf(delivery)?.get(key)) ?? this.#times.get(key) ?? now;
    } catch (thrown) {
      this.#report(thrown);
      return this.#times.get(key) ?? now;
    }
  }

  /** It is handled: nothing is kept in the process; what the store has expires. */
  forget(delivery: Delivery): void {
    if (this.#times.size > 0) this.#times.delete(keyOf(originOf(delivery)));
  }

  /** It is dead, and its letter tells. */
  drop(delivery: Delivery): void {
    this.forget(delivery);
    if (delivery.attempt > 1)
      this.#storeOf(delivery)
        ?.delete(keyOf(originOf(delivery)))
        .catch(this.#report);
  }
}
