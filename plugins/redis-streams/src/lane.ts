import {
  asReason,
  type Delivery,
  EventsError,
  type LifecycleEvents,
  type Payload,
  type Settle,
  within,
} from '@logistically/events-kernel';
import type { Redis } from 'ioredis';
import { Connection, type RedisClient } from './connection.ts';
import { type Page, RedisDelivery } from './delivery.ts';
import { isSuspect, payloadOf, type RawEntry, readBytes } from './entry.ts';
import { isConnectionError, isReply } from './error.ts';
import type { Feed } from './feed.ts';
import { PARKED } from './keys.ts';
import type { Member } from './member.ts';
import { claimScript, leaveScript, recoverScript } from './script.ts';

/** The most entries of one reply for one stream. */
const MAX_COUNT = 500;
/** Replies up to this size are handled before the next read is sent, larger ones while it is on its way. */
const SMALL = 16;

export interface LaneOptions {
  readonly transport: string;
  readonly group: string;
  readonly consumer: string;
  readonly reader: RedisClient;
  readonly commands: Connection;
  readonly leaseMs: number;
  readonly claimIntervalMs: number;
  readonly blockMs: number;
  readonly timeoutMs: number;
  readonly redeliverMs: number;
  readonly emit: <K extends keyof LifecycleEvents>(type: K, event: LifecycleEvents[K]) => void;
}

/** An entry with the attempt it is delivered as. */
type Taken = readonly [id: string, fields: readonly string[], attempt: number];

/** Deliveries that go to one member together. */
interface Bundle {
  readonly member: Member;
  readonly page: Page;
}

/**
 * One blocking connection, and the subscriptions of a group that share it. It reads no more than there are free slots, takes
 * over what dead consumers left, keeps the leases of what is being handled, and mends the group when it is lost.
 */
export class Lane {
  readonly members = new Set<Member>();
  readonly feeds = new Map<string, Feed>();
  readonly reader: Connection;
  readonly #options: LaneOptions;
  readonly #settle: Settle<Delivery>;
  #running = true;
  #loop: Promise<void> | undefined;
  #readerId: number | undefined;
  #blocked = false;
  #starved = false;
  #wake: (() => void) | undefined;
  #waking = false;
  #recover = false;
  #claimAt = 0;
  #alarm: NodeJS.Timeout | undefined;
  #alarmAt = 0;
  #renewal: NodeJS.Timeout;
  #turn = 0;
  /** When Redis last answered a read, ms since the epoch. */
  answeredAt = Date.now();
  /** When the last entries came. */
  receivedAt = Date.now();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.reader = new Connection({
      client: options.reader,
      owned: true,
      timeoutMs: options.timeoutMs,
      onUp: () => {
        this.#readerId = undefined;
        this.reader
          .run((client) => client.client('ID'))
          .then(
            (id) => (this.#readerId = id as number),
            () => {},
          );
      },
      onDown: () => {
        // A reply may have been lost with the connection: its entries are pending for us, and we do not know them.
        this.#recover = true;
      },
    });
    this.#settle = (delivery, reason) => this.#settled(delivery as RedisDelivery, reason);
    this.#renewal = setInterval(() => void this.#renew(), options.leaseMs / 3);
    this.#renewal.unref();
  }

  async open(deadline: number): Promise<void> {
    await this.reader.open(deadline);
    this.#loop = this.#run();
  }

  /** Adds a feed to a member; it is read from the next round on, which begins at once. */
  add(member: Member, feed: Feed): void {
    this.members.add(member);
    this.feeds.set(feed.stream, feed);
    member.feeds.add(feed);
    feed.members.add(member);
    this.#interrupt();
  }

  /** Delivers nothing more to a member. What it holds may still be settled. */
  async stop(member: Member): Promise<void> {
    member.stopped = true;
    for (const feed of member.feeds) feed.members.delete(member);
    this.#interrupt();
  }

  /** Hands back what a member did not settle, and tells Redis what it did. True when it was the last one and the lane is closed. */
  async close(member: Member, deadline: number): Promise<boolean> {
    this.members.delete(member);
    for (const feed of member.feeds) {
      for (const delivery of feed.held()) {
        if (delivery.member !== member) continue;
        this.#release(delivery);
        delivery.lost = true;
        feed.fail(delivery.cursor, 0);
      }
    }
    const last = this.members.size === 0;
    if (last) {
      this.#running = false;
      clearInterval(this.#renewal);
      clearTimeout(this.#alarm);
      this.#interrupt();
      // A reply on its way is waited for, so that its entries are handed back; a frozen server is not.
      if (this.#loop) await within(this.#loop, deadline - 200);
      this.reader.close();
    }
    await Promise.all([...this.feeds.values()].map((feed) => feed.flush(deadline)));
    if (last && this.#options.commands.up) await this.#leave(this.#options.consumer);
    return last;
  }

  async #run(): Promise<void> {
    let reading = this.#next();
    while (this.#running) {
      const bundles = await reading;
      const size = bundles.reduce((sum, { page }) => sum + page.deliveries.length, 0);
      if (size > SMALL) {
        reading = this.#next();
        this.#deliver(bundles);
      } else {
        this.#deliver(bundles);
        reading = this.#next();
      }
    }
    for (const { page } of await reading) for (const delivery of page.deliveries) this.#handBack(delivery);
  }

  #deliver(bundles: readonly Bundle[]): void {
    for (const { member, page } of bundles) {
      if (member.stopped) for (const delivery of page.deliveries) this.#handBack(delivery);
      else member.deliver(page.deliveries, this.#settle);
    }
  }

  /** The next deliveries, slots taken. Never rejects; on trouble it mends what it can and resolves with nothing. */
  async #next(): Promise<Bundle[]> {
    const { commands, timeoutMs } = this.#options;
    if (!this.#running) return [];
    try {
      if (!this.reader.up || !commands.up) {
        await Promise.all([this.reader.ready(Date.now() + 1000), commands.ready(Date.now() + 1000)]);
        return [];
      }
      if (this.#recover) {
        this.#recover = false;
        const recovered = await this.#recoverLost();
        if (recovered.length > 0) return recovered;
      }
      if (Date.now() >= this.#claimAt) {
        const claimed = await this.#claim();
        if (claimed.length > 0) return claimed;
      }
      return await this.#read();
    } catch (error) {
      if (isReply(error, 'NOGROUP') || isReply(error, 'UNBLOCKED'))
        await this.#regroup(Date.now() + timeoutMs).catch(this.#report);
      else if (!isConnectionError(error)) {
        this.#report(error);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      return [];
    }
  }

  async #read(): Promise<Bundle[]> {
    const feeds = [...this.feeds.values()].filter((feed) => this.#slots(feed) > 0);
    this.#starved = feeds.length < this.feeds.size;
    if (feeds.length === 0) {
      await this.#slot();
      return [];
    }
    // Where members have fewer slots than feeds, one reply over all feeds could overfill them: look first, then read one by one.
    const shares = feeds.map((feed) => this.#share(feed));
    const count = Math.min(MAX_COUNT, ...shares);
    return count > 0 ? this.#readAll(feeds, count) : this.#readScouted(feeds);
  }

  async #readAll(feeds: readonly Feed[], count: number): Promise<Bundle[]> {
    const { group, consumer } = this.#options;
    const streams = feeds.map((feed) => feed.stream);
    const reply = await this.#block(
      (client, block) =>
        client.xreadgroup(
          'GROUP',
          group,
          consumer,
          'COUNT',
          count,
          'BLOCK',
          block,
          'STREAMS',
          ...streams,
          ...streams.map(() => '>'),
        ) as Promise<[string, RawEntry[]][] | null>,
    );
    return this.#bundle(reply ?? []);
  }

  async #readScouted(feeds: readonly Feed[]): Promise<Bundle[]> {
    const { group, consumer } = this.#options;
    const streams = feeds.map((feed) => feed.stream);
    const seen = await this.#block(
      (client, block) =>
        client.xread('COUNT', 1, 'BLOCK', block, 'STREAMS', ...streams, ...feeds.map((feed) => feed.cursor)) as Promise<
          [string, RawEntry[]][] | null
        >,
    );
    const dirty = seen ?? [];
    const bundles: Bundle[] = [];
    this.#turn++;
    for (let i = 0; i < dirty.length; i++) {
      const [stream, [first]] = dirty[(i + this.#turn) % dirty.length] as [string, [RawEntry]];
      const feed = this.feeds.get(stream);
      const count = feed ? Math.min(MAX_COUNT, this.#slots(feed)) : 0;
      if (!feed || count === 0) continue;
      const reply = await this.reader.run((client) =>
        client.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>'),
      );
      // Nothing: others of the group were faster, and what they took must not wake us again.
      if (reply) bundles.push(...(await this.#bundle(reply as [string, RawEntry[]][])));
      else feed.cursor = first[0];
    }
    return bundles;
  }

  /** Runs a blocking read, no longer than until something else is due. */
  async #block<T>(read: (client: Redis, blockMs: number) => Promise<T>): Promise<T> {
    const { blockMs, timeoutMs } = this.#options;
    const block = Math.max(1, Math.ceil(Math.min(blockMs, this.#claimAt - Date.now())));
    this.#blocked = true;
    try {
      const reply = await this.reader.run((client) => read(client, block), block + timeoutMs);
      this.answeredAt = Date.now();
      return reply;
    } finally {
      this.#blocked = false;
    }
  }

  async #bundle(reply: readonly [string, readonly RawEntry[]][]): Promise<Bundle[]> {
    const bundles: Bundle[] = [];
    for (const [stream, entries] of reply) {
      const feed = this.feeds.get(stream);
      const last = entries[entries.length - 1];
      if (!feed || !last) continue;
      feed.cursor = last[0];
      this.receivedAt = this.answeredAt;
      bundles.push(...(await this.#toMembers(feed, entries, undefined)));
    }
    return bundles;
  }

  /** Gives entries to the members of a feed that have free slots, and takes the slots. */
  async #toMembers(
    feed: Feed,
    entries: readonly (RawEntry | Taken)[],
    attempts: ((index: number) => number) | undefined,
  ): Promise<Bundle[]> {
    const payloads: Payload[] = [];
    for (const [id, fields] of entries) {
      const payload = payloadOf(fields);
      payloads.push(isSuspect(payload) ? await readBytes(this.#options.commands, feed.stream, id, payload) : payload);
    }
    const bundles: Bundle[] = [];
    let index = 0;
    const leasedAt = Date.now();
    for (const member of [...feed.members, ...this.members]) {
      const take = Math.min(member.free, entries.length - index);
      if (take <= 0 || member.stopped || !member.feeds.has(feed)) continue;
      bundles.push(this.#page(feed, member, entries, payloads, index, index + take, leasedAt, attempts));
      index += take;
    }
    // Nobody left to take them, as when a member stopped while the reply was on its way: back, for others.
    for (; index < entries.length; index++) feed.fail((entries[index] as RawEntry)[0], 0);
    return bundles;
  }

  #page(
    feed: Feed,
    member: Member,
    entries: readonly (RawEntry | Taken)[],
    payloads: readonly Payload[],
    from: number,
    to: number,
    leasedAt: number,
    attempts: ((index: number) => number) | undefined,
  ): Bundle {
    const deliveries: RedisDelivery[] = [];
    const page: Page = { deliveries, open: to - from, leasedAt };
    for (let i = from; i < to; i++)
      deliveries.push(
        new RedisDelivery(
          feed,
          member,
          (entries[i] as RawEntry)[0],
          attempts ? attempts(i) : 1,
          payloads[i] as Payload,
          page,
        ),
      );
    feed.pages.add(page);
    member.free -= to - from;
    return { member, page };
  }

  /** Takes over what is due: failed deliveries whose time has come, those of dead consumers, and events published with a delay. */
  async #claim(): Promise<Bundle[]> {
    const { group, consumer, commands, leaseMs, claimIntervalMs } = this.#options;
    this.#claimAt = Date.now() + claimIntervalMs * (0.9 + Math.random() * 0.1);
    const feeds = [...this.feeds.values()];
    const budgets = new Map([...this.members].map((member) => [member, member.free]));
    this.#turn++;
    const claims = feeds.map((_, i) => {
      const feed = feeds[(i + this.#turn) % feeds.length] as Feed;
      let count = 0;
      for (const member of feed.members) {
        const budget = Math.min(100, budgets.get(member) ?? 0);
        budgets.set(member, (budgets.get(member) ?? 0) - budget);
        count += budget;
      }
      return commands
        .run((client) =>
          claimScript.run(
            client,
            [feed.stream, feed.retries, feed.delayed],
            [group, consumer, leaseMs, count, feed.scan, PARKED],
          ),
        )
        .then((reply) => ({ feed, reply: reply as [Taken[], string, number] }));
    });
    const bundles: Bundle[] = [];
    for (const outcome of await Promise.allSettled(claims)) {
      if (outcome.status === 'rejected') {
        if (isReply(outcome.reason, 'NOGROUP')) throw outcome.reason;
        if (!isConnectionError(outcome.reason)) this.#report(outcome.reason);
        continue;
      }
      const { feed, reply } = outcome.value;
      const [entries, scan, due] = reply;
      feed.scan = scan;
      if (scan !== '-') this.#claimAt = Date.now();
      if (due >= 0) this.due(due);
      // Our own, when this process was asleep for longer than its lease: it is still handling them.
      const unknown = entries.filter(([id]) => !feed.knows(id));
      bundles.push(...(await this.#toMembers(feed, unknown, (i) => (unknown[i] as Taken)[2])));
    }
    return bundles;
  }

  async #recoverLost(): Promise<Bundle[]> {
    const { group, consumer } = this.#options;
    const bundles: Bundle[] = [];
    for (const feed of this.feeds.values()) {
      const count = this.#slots(feed);
      if (count === 0) continue;
      const entries = (await this.#options.commands.run((client) =>
        recoverScript.run(client, [feed.stream], [group, consumer, count, ...feed.here()]),
      )) as Taken[];
      if (entries.length > 0) bundles.push(...(await this.#toMembers(feed, entries, (i) => (entries[i] as Taken)[2])));
    }
    return bundles;
  }

  async #regroup(deadline: number): Promise<void> {
    const { transport, group, emit } = this.#options;
    for (const feed of this.feeds.values())
      if (await feed.regroup(deadline))
        emit('recovered', { transport, group, topic: feed.topic, what: 'a lost consumer group' });
  }

  async #renew(): Promise<void> {
    const { leaseMs, emit } = this.#options;
    const before = Date.now() - leaseMs / 4;
    for (const feed of this.feeds.values()) {
      const lost = await feed.renew(before).catch((error) => {
        if (!isConnectionError(error) && !isReply(error, 'NOGROUP')) this.#report(error);
        return [];
      });
      for (const delivery of lost) {
        delivery.lost = true;
        delivery.abort(
          new EventsError(
            'EVENTS_REDIS_STREAMS_LEASE_LOST',
            'This delivery was taken over by somebody else: stop working on it.',
          ),
        );
        emit('leaseLost', { delivery });
      }
    }
    await this.#leave('').catch(() => {});
  }

  /** Removes consumers that have nothing pending: this one, or those that have been away for long. */
  async #leave(consumer: string): Promise<void> {
    const { group, commands, leaseMs } = this.#options;
    const idleMs = Math.max(10 * leaseMs, 300_000);
    await Promise.all(
      [...this.feeds.values()].map((feed) =>
        commands
          .run((client) => leaveScript.run(client, [feed.stream], [group, consumer, idleMs, PARKED]))
          .catch(() => {}),
      ),
    );
  }

  #settled(delivery: RedisDelivery, reason: unknown): void {
    if (!delivery.page) return;
    this.#release(delivery);
    // Work that was done is acknowledged even when the lease was lost meanwhile: it spares the other a third attempt.
    if (reason === undefined) delivery.feed.ack(delivery.cursor);
    else if (!delivery.lost) delivery.feed.fail(delivery.cursor, this.#delay(reason, delivery.attempt));
  }

  #handBack(delivery: RedisDelivery): void {
    this.#release(delivery);
    delivery.feed.fail(delivery.cursor, 0);
  }

  #release(delivery: RedisDelivery): void {
    const { page, member, feed } = delivery;
    if (!page) return;
    delivery.page = undefined;
    if (--page.open === 0) feed.pages.delete(page);
    member.free++;
    if (this.#wake || this.#starved) this.#slotFreed();
  }

  #delay(reason: unknown, attempt: number): number {
    const after = (asReason(reason) as { retryAfterMs?: unknown }).retryAfterMs;
    if (typeof after === 'number') return after;
    return Math.min(this.#options.redeliverMs * 2 ** Math.min(attempt - 1, 20), 30_000);
  }

  #slots(feed: Feed): number {
    let sum = 0;
    for (const member of feed.members) sum += member.free;
    return sum;
  }

  #share(feed: Feed): number {
    let sum = 0;
    for (const member of feed.members) sum += member.share();
    return sum;
  }

  /** Slots that become free in one turn of the event loop are used together. */
  #slotFreed(): void {
    if (this.#waking) return;
    this.#waking = true;
    setImmediate(() => {
      this.#waking = false;
      if (this.#wake) this.#wake();
      else if (this.#starved) this.#interrupt();
    });
  }

  /** Resolves when a slot is free, or when something else is due. */
  #slot(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), Math.max(1, this.#claimAt - Date.now()));
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** Ends a blocking read early. Should the server not allow it, the read ends by itself a little later. */
  #interrupt(): void {
    this.#wake?.();
    const id = this.#readerId;
    if (!this.#blocked || id === undefined) return;
    this.#options.commands.run((client) => client.client('UNBLOCK', id)).catch(() => {});
  }

  /** Something is due in so many ms: look then, and not only at the next interval. */
  readonly due = (ms: number): void => {
    const at = Date.now() + ms;
    if (at >= this.#claimAt || (this.#alarm && this.#alarmAt <= at)) return;
    clearTimeout(this.#alarm);
    this.#alarmAt = at;
    this.#alarm = setTimeout(() => {
      this.#alarm = undefined;
      this.#claimAt = 0;
      this.#interrupt();
    }, ms + 1);
  };

  /** What is wrong with it right now, in words. */
  async problems(): Promise<string[]> {
    const { group, commands, blockMs, timeoutMs, leaseMs } = this.#options;
    if (!this.reader.up) return [`group ${group} has no connection to read with`];
    const now = Date.now();
    const full = [...this.members].every((member) => member.free === 0);
    if (!full && now - this.answeredAt > 2 * blockMs + timeoutMs)
      return [`group ${group} got no answer to a read for ${now - this.answeredAt} ms`];
    if (full || !commands.up || now - this.receivedAt < leaseMs) return [];
    // Nothing came for long, with slots free: then nothing must be waiting.
    const problems: string[] = [];
    for (const feed of this.feeds.values()) {
      const infos = (await commands.run((client) => client.xinfo('GROUPS', feed.stream))) as unknown[][];
      const own = infos.find((info) => info[info.indexOf('name') + 1] === group);
      const lag = own?.[own.indexOf('lag') + 1];
      if (typeof lag === 'number' && lag > 0)
        problems.push(`group ${group} has a lag of ${lag} in ${feed.topic} and gets nothing`);
    }
    return problems;
  }

  get consumer(): string {
    return this.#options.consumer;
  }

  readonly #report = (reason: unknown): void => {
    const { transport, group, emit } = this.#options;
    emit('error', { source: `${transport}/${group}`, reason });
  };
}
