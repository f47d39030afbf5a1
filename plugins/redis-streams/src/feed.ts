import { within } from '@logistically/events-kernel';
import type { Taken } from './admission.ts';
import type { Commands } from './commands.ts';
import type { Page, RedisDelivery } from './delivery.ts';
import { payloadOf, type RawEntry } from './entry.ts';
import { isConnectionError, isRefusal, isReply, leaseLost } from './error.ts';
import { type Info, toInfo } from './info.ts';
import { type Keys, PARKED } from './keys.ts';
import type { Member } from './member.ts';
import { isBefore } from './position.ts';
import { failScript, handoffScript, regroupScript, renewScript } from './script.ts';
import type { Hold } from './seats.ts';
import { release } from './settlement.ts';

/** The most ids of one command. */
const MAX_IDS = 500;

/** A delivery that is to come back. */
interface Failure {
  readonly id: string;
  readonly attempt: number;
  readonly delayMs: number;
  /** Nothing was tried: its next delivery is the same attempt. */
  readonly uncounted: boolean;
}

interface FeedOptions {
  readonly keys: Keys;
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  readonly consumer: string;
  readonly commands: Commands;
  readonly onError: (reason: unknown) => void;
  /** A retry is due in so many ms. */
  readonly onDue: (ms: number) => void;
  /** The group was lost, and this consumer made it again. */
  readonly onRegrouped: () => void;
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
  /** Members that take it or are about to. */
  users = 0;
  /** The last entry that was delivered in the group, as far as this consumer knows. */
  cursor = '0-0';
  /** The highest entry that came here: what comes again up to it may be in hands here. */
  highest = '0-0';
  /** Of the group that this consumer knows: another one tells that it was lost, and that somebody else made it again. */
  mark = '';
  /** There was more than there were seats for: it need not be waited for. */
  more = false;
  /** Where the search for dead consumers' deliveries goes on. */
  scan = '-';
  readonly #options: FeedOptions;
  #acks: string[] = [];
  #failures: Failure[] = [];
  /** On the way to Redis, and not yet confirmed by it: should they come again, they are not delivered again. */
  #acking: readonly string[] = [];
  #failing: readonly Failure[] = [];
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

  /** Keeps a delivery pending, to be delivered again after `delayMs`; `uncounted`: as the same attempt. */
  fail(id: string, attempt: number, delayMs: number, uncounted = false): void {
    this.#failures.push({ id, attempt, delayMs: Math.max(0, Math.round(delayMs)), uncounted });
    this.#schedule();
  }

  /**
   * Whether this consumer has the entry that it is given: its settlement is on the way, or it is being handled, and is this
   * consumer's again where its lease was lost.
   */
  retakes([id, fields]: RawEntry | Taken): boolean {
    if (this.#acks.includes(id) || this.#acking.includes(id)) return true;
    if (this.#failed().some((failure) => failure.id === id)) return true;
    for (const delivery of this.#handled()) {
      if (delivery.cursor !== id) continue;
      delivery.lost = false;
      const payload = payloadOf(fields);
      if (typeof payload !== 'string' || typeof delivery.payload !== 'string' || payload === delivery.payload)
        return true;
      // Another event: a server that took over, and whose clock is behind, gave it the id of one that it never had.
      release(delivery);
      delivery.abort(leaseLost());
      return false;
    }
    return false;
  }

  /** Notes what has come here. */
  came(id: string): void {
    if (isBefore(this.highest, id)) this.highest = id;
  }

  /** Whether somebody who takes this feed reads on other lanes too. */
  get shared(): boolean {
    for (const { seats } of this.members) if (seats.shared) return true;
    return false;
  }

  /** Free seats of those who take this feed. */
  seats(): number {
    let sum = 0;
    for (const member of this.members) sum += member.seats.available;
    return sum;
  }

  /** Seats for this feed in one reply over all feeds of its members, which must not overfill them. Taken into `hold`, where lanes share. */
  share(hold?: Hold): number {
    let sum = 0;
    for (const { seats, feeds } of this.members) {
      // Lanes that wait for something hold half of the seats at most: the rest is for one that has much.
      const share = Math.floor(seats.available / (hold ? 2 * seats.feeds : feeds.size));
      if (share > 0) hold?.take(seats, share);
      sum += share;
    }
    return sum;
  }

  /** All free seats, up to `most`, taken into `hold`. */
  grab(hold: Hold, most: number): number {
    let sum = 0;
    for (const { seats } of this.members) {
      const count = Math.min(seats.available, most - sum);
      if (count <= 0) continue;
      hold.take(seats, count);
      sum += count;
    }
    return sum;
  }

  /** Entries that the group has not been given yet, as far as Redis can tell. */
  async lag(): Promise<number> {
    const { lag, 'last-delivered-id': last } = (await this.#info()) ?? {};
    if (typeof lag !== 'number' || lag === 0) return 0;
    // The counter of reads is behind for ever once another server has taken over: only what can be seen waits.
    const after = await this.#options.commands.run((client) => client.xrange(this.stream, `(${last}`, '+', 'COUNT', 1));
    return after.length > 0 ? lag : 0;
  }

  /** Begins where the group is: a server that took over, or lost its last moments, may be behind what was delivered here. */
  async resume(): Promise<void> {
    const last = (await this.#info())?.['last-delivered-id'];
    if (typeof last === 'string') this.cursor = last;
  }

  /** What is being handled here, and is this consumer's. */
  *held(): Generator<RedisDelivery> {
    for (const delivery of this.#handled()) if (!delivery.lost) yield delivery;
  }

  /** The ids that must not be taken for lost replies. */
  here(): string[] {
    return [
      ...Array.from(this.#handled(), ({ cursor }) => cursor),
      ...this.#acks,
      ...this.#acking,
      ...this.#failed().map(({ id }) => id),
    ];
  }

  /** Tells Redis what was settled, as long as it takes, but not beyond the deadline (ms since the epoch). */
  async flush(deadline: number): Promise<void> {
    if (this.#unsent) this.#flushing ??= this.#flush();
    if (this.#flushing) await within(this.#flushing, deadline);
  }

  /** Renews the leases taken before `before` (ms since the epoch); returns the deliveries that somebody else has now. */
  async renew(before: number): Promise<RedisDelivery[]> {
    const { group, consumer, commands } = this.#options;
    const taken: RedisDelivery[] = [];
    for (const page of this.pages) {
      if (page.leasedAt > before) continue;
      const now = Date.now();
      const held = page.deliveries.filter((delivery) => delivery.page && !delivery.lost);
      for (let i = 0; i < held.length; i += MAX_IDS) {
        const part = held.slice(i, i + MAX_IDS);
        const args = [group, consumer, this.mark, ...part.map((delivery) => delivery.cursor)];
        const gone = (await commands.run((client) => renewScript.run(client, [this.stream], args))) as string[];
        taken.push(...part.filter((delivery) => delivery.page && gone.includes(delivery.cursor)));
      }
      page.leasedAt = now;
    }
    return taken;
  }

  /** Makes the group again after it was lost, with what is unsettled here. */
  async regroup(deadline: number): Promise<void> {
    const { group, consumer, commands, onRegrouped } = this.#options;
    const held = Array.from(this.held(), (delivery) => [delivery.cursor, delivery.attempt]).flat();
    const failed = this.#failed().flatMap(({ id, attempt, uncounted }) => [id, uncounted ? attempt - 1 : attempt]);
    const args = [group, consumer, PARKED, this.cursor, this.mark, ...held, ...failed];
    const reply = await commands.persist(
      (client) => regroupScript.run(client, [this.stream, this.retries], args),
      deadline,
    );
    const [made, cursor, mark] = reply as [number, string, string];
    this.mark = mark;
    if (made === 0) return;
    this.cursor = cursor;
    onRegrouped();
  }

  async handoff(delivery: RedisDelivery, stream: string, notes: readonly string[]): Promise<void> {
    const { group, consumer, commands } = this.#options;
    await commands.run((client) =>
      handoffScript.run(client, [this.stream, stream], [group, consumer, delivery.cursor, ...notes]),
    );
  }

  async #info(): Promise<Info | undefined> {
    const { group, commands } = this.#options;
    const infos = (await commands.run((client) => client.xinfo('GROUPS', this.stream))) as unknown[][];
    return infos.map(toInfo).find(({ name }) => name === group);
  }

  *#handled(): Generator<RedisDelivery> {
    for (const { deliveries } of this.pages) for (const delivery of deliveries) if (delivery.page) yield delivery;
  }

  get #unsent(): boolean {
    return this.#acks.length > 0 || this.#failures.length > 0;
  }

  #failed(): readonly Failure[] {
    return [...this.#failing, ...this.#failures];
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#unsent) this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const { commands } = this.#options;
    while (this.#unsent && !commands.closed) {
      if (!commands.up && !(await commands.ready(Date.now() + 1000))) continue;
      const acks = this.#acks.splice(0, MAX_IDS);
      const failures = this.#failures.splice(0, MAX_IDS);
      this.#acking = acks;
      this.#failing = failures;
      // Both at once, and nothing for what there is none of: mostly there are only acknowledgements.
      const acking = acks.length > 0 ? outcomeOf(this.#sendAcks(acks)) : undefined;
      const failing = failures.length > 0 ? outcomeOf(this.#sendFailures(failures)) : undefined;
      const acked = acking && (await acking);
      const failed = failing && (await failing);
      if (acked && passes(acked.reason)) this.#acks.unshift(...acks);
      if (failed && passes(failed.reason)) this.#failures.unshift(...failures);
      this.#acking = [];
      this.#failing = [];
      for (const outcome of [acked, failed]) if (outcome) await this.#mend(outcome.reason);
    }
    this.#flushing = undefined;
  }

  #sendAcks(ids: readonly string[]): Promise<unknown> {
    const { group, commands } = this.#options;
    return commands.run((client) => client.xack(this.stream, group, ...ids));
  }

  async #sendFailures(failures: readonly Failure[]): Promise<void> {
    const { group, consumer, commands, onDue } = this.#options;
    const told = failures.flatMap(({ id, delayMs, uncounted }) => [id, delayMs, uncounted ? 1 : 0]);
    const args = [group, consumer, PARKED, this.mark, ...told];
    await commands.run((client) => failScript.run(client, [this.stream, this.retries], args));
    onDue(Math.min(...failures.map(({ delayMs }) => delayMs)));
  }

  async #mend(reason: unknown): Promise<void> {
    if (isReply(reason, 'NOGROUP')) await this.regroup(Date.now() + 1000).catch(this.#options.onError);
    else if (isFull(reason) || isRefusal(reason)) await new Promise((resolve) => setTimeout(resolve, 200));
    else if (!isConnectionError(reason)) this.#options.onError(reason);
  }
}

/** Resolves with why it failed, or with nothing. */
const outcomeOf = (work: Promise<unknown>): Promise<{ readonly reason: unknown } | undefined> =>
  work.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );

const isFull = (reason: unknown): boolean => isReply(reason, 'OOM') || isReply(reason, 'MISCONF');

/** Whether a settlement is repeated: what is settled already stays settled. Any other reply will not change. */
const passes = (reason: unknown): boolean => isConnectionError(reason) || isReply(reason, 'NOGROUP') || isFull(reason);
