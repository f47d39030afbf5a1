import { type Delivery, type LifecycleEvents, type Settle, within } from '@logistically/events-kernel';
import type { Bundle } from './admission.ts';
import type { Commands } from './commands.ts';
import type { Connection } from './connection.ts';
import { isConnectionError, isRefusal, isReply } from './error.ts';
import type { Feed } from './feed.ts';
import type { Member } from './member.ts';
import { Reader } from './reader.ts';
import { createSettle, handBack } from './settlement.ts';
import { Takeover } from './takeover.ts';
import type { ConnectionListener } from './topology.ts';
import { Wakeup } from './wakeup.ts';

/** Replies up to this size are handled before the next read is sent, larger ones while it is on its way. */
const SMALL = 16;
export interface LaneOptions {
  readonly transport: string;
  readonly group: string;
  readonly consumer: string;
  /** Makes the connection for blocking reads. */
  readonly connect: (listener: ConnectionListener) => Connection;
  readonly commands: Commands;
  readonly leaseMs: number;
  readonly claimIntervalMs: number;
  readonly blockMs: number;
  readonly timeoutMs: number;
  readonly redeliverMs: number;
  readonly emit: <K extends keyof LifecycleEvents>(type: K, event: LifecycleEvents[K]) => void;
}

/** What is being got, and where it will be. */
interface Round {
  readonly bundles: Bundle[];
  readonly work: Promise<void>;
}

/**
 * One blocking connection, and the subscriptions of a group that share it. It reads no more than there are free seats; one thing
 * at a time, so that what is on its way is always covered by seats.
 */
export class Lane {
  readonly members = new Set<Member>();
  readonly feeds = new Map<string, Feed>();
  readonly #options: LaneOptions;
  readonly #reader: Reader;
  readonly #takeover: Takeover;
  readonly #wakeup: Wakeup;
  readonly #renewal: NodeJS.Timeout;
  readonly #seatFreed: () => void;
  readonly #settle: Settle<Delivery>;
  #running = true;
  #opening: Promise<void> | undefined;
  #loop: Promise<void> | undefined;
  #recover = false;
  #claimAt = 0;
  #owed = false;
  /** Something was taken over since the last read, which comes first then: what fails for ever leaves room for what is new. */
  #tookOver = false;

  constructor(options: LaneOptions) {
    this.#options = options;
    const seatFreed = (): void => this.#wakeup.seatFreed();
    this.#reader = new Reader(
      options,
      () => {
        this.#recover = true;
      },
      seatFreed,
    );
    this.#takeover = new Takeover(options, this.#report, seatFreed);
    this.#seatFreed = seatFreed;
    this.#settle = createSettle(options.redeliverMs);
    this.#wakeup = new Wakeup({
      interrupt: () => this.#reader.interrupt(),
      onDue: () => {
        this.#claimAt = 0;
      },
    });
    this.#renewal = setInterval(() => {
      const feeds = [...this.feeds.values()];
      void this.#takeover.renew(feeds).then(() => this.#takeover.leave(feeds));
    }, options.leaseMs / 3);
    this.#renewal.unref();
  }

  get consumer(): string {
    return this.#options.consumer;
  }

  /** At once, so that the lane is not closed by the last of the others. */
  join(member: Member): void {
    this.members.add(member);
    member.seats.lanes.add(this.#seatFreed);
  }

  /** Connects, once for all who call it. */
  open(deadline: number): Promise<void> {
    this.#opening ??= this.#reader.connection.open(deadline).then(() => {
      this.#loop = this.#run();
    });
    return this.#opening;
  }

  /** The feed of a topic partition, for one more member. It is read once the member takes it; `drop` gives it up. */
  feed(topic: string, partition: number, make: () => Feed): Feed {
    const key = `${topic}/${partition}`;
    let feed = this.feeds.get(key);
    if (!feed) {
      feed = make();
      this.feeds.set(key, feed);
    }
    feed.users++;
    return feed;
  }

  drop(feed: Feed): void {
    if (--feed.users === 0) this.feeds.delete(`${feed.topic}/${feed.partition}`);
  }

  /** Adds a feed to a member; it is read from the next round on, which begins at once. */
  add(member: Member, feed: Feed): void {
    member.feeds.add(feed);
    member.seats.feeds++;
    feed.members.add(member);
    // What was handed back before is due at once.
    this.#claimAt = 0;
    this.#wakeup.now();
  }

  /** Something is due for this lane in so many ms. */
  readonly due = (ms: number): void => {
    if (Date.now() + ms < this.#claimAt) this.#wakeup.due(Math.max(0, ms));
  };

  /** Delivers nothing more to a member. What it holds may still be settled. */
  stop(member: Member): void {
    member.stopped = true;
    for (const feed of member.feeds) feed.members.delete(member);
    this.#wakeup.now();
  }

  /** Hands back what a member did not settle, and tells Redis what it did. Closes the lane with the last one. */
  async close(member: Member, deadline: number): Promise<void> {
    this.members.delete(member);
    member.seats.lanes.delete(this.#seatFreed);
    for (const feed of member.feeds)
      for (const delivery of feed.held()) if (delivery.member === member) handBack(delivery);
    const last = this.members.size === 0;
    if (last) {
      this.#running = false;
      clearInterval(this.#renewal);
      this.#wakeup.close();
      // A reply on its way is waited for, so that its entries are handed back; a frozen server is not.
      if (this.#loop) await within(this.#loop, deadline - 200);
      this.#reader.connection.close();
    }
    await Promise.all(Array.from(member.feeds, (feed) => feed.flush(deadline)));
    if (last) await this.#takeover.leave(member.feeds, this.consumer);
    for (const feed of member.feeds) this.drop(feed);
  }

  /** What is wrong with it right now, in words. */
  async problems(): Promise<string[]> {
    const { group, commands, blockMs, timeoutMs, leaseMs } = this.#options;
    if (!this.#reader.connection.up) return [`group ${group} has no connection to read with`];
    if (!this.#hasFree()) return [];
    const silentMs = Date.now() - this.#reader.answeredAt;
    if (silentMs > 2 * blockMs + timeoutMs) return [`group ${group} got no answer to a read for ${silentMs} ms`];
    if (!commands.up || Date.now() - this.#reader.receivedAt < leaseMs) return [];
    // Nothing came for long, with seats free: then nothing must be waiting.
    const problems: string[] = [];
    for (const feed of this.feeds.values()) {
      const lag = await feed.lag();
      if (lag > 0) problems.push(`group ${group} has a lag of ${lag} in ${feed.topic} and gets nothing`);
    }
    return problems;
  }

  async #run(): Promise<void> {
    let round = this.#begin();
    while (this.#running) {
      const { bundles } = round;
      // Awaited here and nowhere between: every turn of the queue between the reply and the handler is latency.
      try {
        await round.work;
      } catch (error) {
        await this.#mend(error);
      }
      const size = bundles.reduce((sum, { page }) => sum + page.deliveries.length, 0);
      if (size > SMALL) {
        round = this.#begin();
        this.#deliver(bundles);
      } else {
        this.#deliver(bundles);
        round = this.#begin();
      }
    }
    await round.work.catch(() => {});
    for (const { page } of round.bundles) for (const delivery of page.deliveries) handBack(delivery);
  }

  #deliver(bundles: readonly Bundle[]): void {
    for (const { member, page } of bundles) {
      if (member.stopped) for (const delivery of page.deliveries) handBack(delivery);
      else member.deliver(page.deliveries, this.#settle);
    }
  }

  /** Begins to get the next deliveries; their seats are taken as they come. */
  #begin(): Round {
    const bundles: Bundle[] = [];
    try {
      return { bundles, work: this.#look(bundles) ?? Promise.resolve() };
    } catch (thrown) {
      return { bundles, work: Promise.reject(thrown) };
    }
  }

  /** After trouble: mends what it can. Never rejects. */
  async #mend(error: unknown): Promise<void> {
    if (isReply(error, 'NOGROUP') || isReply(error, 'UNBLOCKED'))
      await this.#takeover.regroup(this.feeds.values(), Date.now() + this.#options.timeoutMs).catch(this.#report);
    // A reply may have been lost with the connection: its entries are pending for us, and we do not know them.
    else if (isConnectionError(error)) this.#recover = true;
    else this.#report(error);
    if (isRefusal(error) || !isConnectionError(error)) await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** One step: connect, recover and take over, or read; whatever is the first to give something. */
  #look(into: Bundle[]): Promise<void> | undefined {
    const { commands } = this.#options;
    const { connection } = this.#reader;
    if (connection.closed || commands.closed) this.#running = false;
    if (!this.#running) return undefined;
    if (!connection.up || !commands.up) return this.#connected();
    const due = this.#isDue();
    return this.#recover || (due && !this.#tookOver) ? this.#takeOver(into, due) : this.#read(into);
  }

  async #connected(): Promise<void> {
    const deadline = Date.now() + 1000;
    await Promise.all([this.#reader.connection.ready(deadline), this.#options.commands.ready(deadline)]);
  }

  async #takeOver(into: Bundle[], claims: boolean): Promise<void> {
    if (this.#recover) await this.#recoverLost(into);
    if (into.length === 0 && claims) await this.#claim(into);
    if (into.length === 0) await this.#read(into);
  }

  /** Something may be taken over now. */
  #isDue(): boolean {
    return Date.now() >= this.#claimAt || (this.#owed && this.#hasFree());
  }

  #read(into: Bundle[]): Promise<void> {
    const subscribed = [...this.feeds.values()].filter((feed) => feed.members.size > 0);
    // Where lanes share their seats, what is new is looked for also without one.
    const feeds = subscribed.filter((feed) => feed.seats() > 0 || (feed.shared && !feed.more && !this.#owed));
    const waitMs = Math.max(1, Math.ceil(Math.min(this.#options.blockMs, this.#claimAt - Date.now())));
    this.#wakeup.starved = feeds.length < subscribed.length;
    if (!feeds.length) return this.#wakeup.seat(waitMs);
    this.#tookOver = false;
    return this.#reader.read(feeds, this.#isDue() ? 1 : waitMs, into);
  }

  async #recoverLost(into: Bundle[]): Promise<void> {
    const { blockMs } = this.#options;
    const dismissed = await this.#reader.dismiss();
    this.#recover = !(await this.#takeover.recover(this.feeds.values(), into));
    if (dismissed) return;
    // The old read may still wait at the server; once it has ended there, look again.
    setTimeout(() => {
      this.#recover = true;
      this.#wakeup.now();
    }, blockMs + 100).unref();
  }

  async #claim(into: Bundle[]): Promise<void> {
    // Nodes that started together do not look together.
    this.#claimAt = Date.now() + this.#options.claimIntervalMs * (0.9 + Math.random() * 0.1);
    const { owed, dueMs } = await this.#takeover.claim([...this.feeds.values()], into);
    this.#owed = owed;
    this.#tookOver = into.length > 0;
    if (dueMs !== undefined) this.due(dueMs);
  }

  #hasFree(): boolean {
    for (const member of this.members) if (member.seats.available > 0) return true;
    return false;
  }

  readonly #report = (reason: unknown): void => {
    const { transport, group, emit } = this.#options;
    emit('error', { source: `${transport}/${group}`, reason });
  };
}
