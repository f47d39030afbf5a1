import type { Connection } from './connection.ts';
import type { Page, RedisDelivery } from './delivery.ts';
import { isConnectionError, isReply } from './error.ts';
import { type Keys, PARKED } from './keys.ts';
import type { Member } from './member.ts';
import { failScript, handoffScript, regroupScript, renewScript } from './script.ts';

/** The most ids of one command. */
const MAX_IDS = 500;

interface FeedOptions {
  readonly keys: Keys;
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  readonly consumer: string;
  readonly commands: Connection;
  readonly onError: (reason: unknown) => void;
  /** A retry is due in so many ms. */
  readonly onDue: (ms: number) => void;
}

/** A topic partition as one consumer of a group sees it: what it holds, and what it still has to tell Redis. */
export class Feed {
  readonly topic: string;
  readonly partition: number;
  readonly stream: string;
  readonly retries: string;
  readonly delayed: string;
  readonly members = new Set<Member>();
  readonly pages = new Set<Page>();
  /** The last entry that was delivered in the group, as far as this consumer knows. */
  cursor = '0-0';
  /** Where the search for dead consumers' deliveries goes on. */
  scan = '-';
  readonly #options: FeedOptions;
  #acks: string[] = [];
  #failures: (string | number)[] = [];
  /** Settled, and not yet confirmed by Redis: should they come again, they are not delivered again. */
  readonly #settling = new Set<string>();
  #scheduled = false;
  #flushing: Promise<void> | undefined;

  constructor(options: FeedOptions) {
    const { keys, topic, partition, group } = options;
    this.#options = options;
    this.topic = topic;
    this.partition = partition;
    this.stream = keys.stream(topic, partition);
    this.retries = keys.retries(topic, partition, group);
    this.delayed = keys.delayed(topic, partition);
  }

  ack(id: string): void {
    this.#acks.push(id);
    this.#schedule();
  }

  /** Keeps a delivery pending, to be delivered again after `delayMs`. */
  fail(id: string, delayMs: number): void {
    this.#failures.push(id, Math.max(0, Math.round(delayMs)));
    this.#schedule();
  }

  /** Whether this consumer has the entry: it is being handled, or its settlement is on the way. */
  knows(id: string): boolean {
    if (this.#settling.has(id) || this.#acks.includes(id) || this.#failures.includes(id)) return true;
    for (const { deliveries } of this.pages)
      for (const delivery of deliveries) if (delivery.cursor === id && delivery.page && !delivery.lost) return true;
    return false;
  }

  /** What is being handled here. */
  *held(): Generator<RedisDelivery> {
    for (const { deliveries } of this.pages)
      for (const delivery of deliveries) if (delivery.page && !delivery.lost) yield delivery;
  }

  /** The ids that must not be taken for lost replies. */
  here(): string[] {
    return [
      ...Array.from(this.held(), (delivery) => delivery.cursor),
      ...this.#acks,
      ...this.#settling,
      ...this.#failures.map(String),
    ];
  }

  /** Tells Redis what was settled, as long as it takes, but not beyond the deadline (ms since the epoch). */
  async flush(deadline: number): Promise<void> {
    do await (this.#flushing ??= this.#flush(deadline));
    while ((this.#acks.length > 0 || this.#failures.length > 0) && Date.now() < deadline);
  }

  /** Renews the leases taken before `before` (ms since the epoch); returns what was lost. */
  async renew(before: number): Promise<RedisDelivery[]> {
    const { group, consumer, commands } = this.#options;
    const lost: RedisDelivery[] = [];
    for (const page of this.pages) {
      if (page.leasedAt > before) continue;
      const now = Date.now();
      const held = page.deliveries.filter((delivery) => delivery.page && !delivery.lost);
      for (let i = 0; i < held.length; i += MAX_IDS) {
        const ids = held.slice(i, i + MAX_IDS).map((delivery) => delivery.cursor);
        const gone = (await commands.run((client) =>
          renewScript.run(client, [this.stream], [group, consumer, ...ids]),
        )) as string[];
        lost.push(...held.filter((delivery) => delivery.page && gone.includes(delivery.cursor)));
      }
      page.leasedAt = now;
    }
    return lost;
  }

  /** Makes the group again after it was lost. True when it was this consumer that made it. */
  async regroup(deadline: number): Promise<boolean> {
    const { group, consumer, commands } = this.#options;
    const held = Array.from(this.held(), (delivery) => [delivery.cursor, delivery.attempt]).flat();
    const made = await commands.persist(
      (client) => regroupScript.run(client, [this.stream], [group, consumer, this.cursor, ...held]),
      deadline,
    );
    return made === 1;
  }

  async handoff(delivery: RedisDelivery, stream: string, notes: readonly string[]): Promise<void> {
    const { group, consumer, commands } = this.#options;
    await commands.run((client) =>
      handoffScript.run(client, [this.stream, stream], [group, consumer, delivery.cursor, ...notes]),
    );
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flushing ??= this.#flush(Number.POSITIVE_INFINITY);
    });
  }

  async #flush(deadline: number): Promise<void> {
    const { group, consumer, commands, onError, onDue } = this.#options;
    try {
      while (this.#acks.length > 0 || this.#failures.length > 0) {
        if (!(await commands.ready(Math.min(deadline, Date.now() + 1000)))) {
          if (commands.closed || Date.now() >= deadline) return;
          continue;
        }
        const acks = this.#acks.splice(0, MAX_IDS);
        const failures = this.#failures.splice(0, MAX_IDS);
        for (const id of acks) this.#settling.add(id);
        try {
          await Promise.all([
            acks.length > 0 && commands.run((client) => client.xack(this.stream, group, ...acks)),
            failures.length > 0 &&
              commands.run((client) =>
                failScript.run(client, [this.stream, this.retries], [group, consumer, PARKED, ...failures]),
              ),
          ]);
          for (let i = 1; i < failures.length; i += 2) onDue(failures[i] as number);
        } catch (error) {
          if (isConnectionError(error) || isReply(error, 'OOM') || isReply(error, 'MISCONF')) {
            // Both can be repeated: what is settled already is settled.
            this.#acks.unshift(...acks);
            this.#failures.unshift(...failures);
            if (!isConnectionError(error)) await new Promise((resolve) => setTimeout(resolve, 200));
          } else if (!isReply(error, 'NOGROUP')) onError(error);
        } finally {
          for (const id of acks) this.#settling.delete(id);
        }
      }
    } finally {
      this.#flushing = undefined;
    }
  }
}
