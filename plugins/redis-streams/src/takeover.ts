import { admit, type Bundle, type Taken } from './admission.ts';
import { isConnectionError, isRefusal, isReply, leaseLost } from './error.ts';
import type { Feed } from './feed.ts';
import { PARKED } from './keys.ts';
import type { LaneOptions } from './lane.ts';
import { claimScript, leaveScript, recoverScript } from './script.ts';
import { Hold } from './seats.ts';

/** The most entries that one look takes over from a topic partition. */
const MAX_TAKEN = 100;

/** Until what was due and did not come is looked for again, in ms. */
const STUCK_MS = 20;
/** Later than anything that is looked for. */
const MAX_DUE_MS = 2 ** 31 - 1;

interface Claimed {
  /** More is due than there were seats for. */
  readonly owed: boolean;
  /** The next is due in so many ms. */
  readonly dueMs: number | undefined;
}

/** Whose deliveries are whose: takes over what is due, recovers what got lost on the way, keeps what is being handled. */
export class Takeover {
  readonly #options: LaneOptions;
  readonly #onError: (reason: unknown) => void;
  readonly #seatFreed: () => void;
  #turn = 0;

  constructor(options: LaneOptions, onError: (reason: unknown) => void, seatFreed: () => void) {
    this.#options = options;
    this.#onError = onError;
    this.#seatFreed = seatFreed;
  }

  /** Failed deliveries whose time has come, those of dead consumers, and events published with a delay. */
  async claim(feeds: readonly Feed[], into: Bundle[]): Promise<Claimed> {
    const { group, consumer, commands, leaseMs, timeoutMs } = this.#options;
    const hold = new Hold(this.#seatFreed);
    this.#turn++;
    const claims = feeds.map(async (_, i) => {
      // Not always the same feed first: where seats are few, each has its turn.
      const feed = feeds[(i + this.#turn) % feeds.length] as Feed;
      const count = feed.grab(hold, MAX_TAKEN);
      const keys = [feed.stream, feed.retries, feed.delayed];
      const args = [group, consumer, leaseMs, count, feed.scan, PARKED];
      // Tried once: keys that are being moved one by one cannot be claimed, and what is new must not wait for that.
      const reply = await new Promise((resolve, reject) =>
        commands.call((client) => claimScript.run(client, keys, args), timeoutMs, resolve, reject),
      );
      return { feed, count, reply: reply as [entries: Taken[], scan: string, dueMs: number] };
    });
    let owed = false;
    let next: number | undefined;
    let lost: unknown;
    const outcomes = await Promise.allSettled(claims);
    hold.release();
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        if (isRefusal(outcome.reason)) continue;
        if (isReply(outcome.reason, 'NOGROUP') || isConnectionError(outcome.reason)) lost = outcome.reason;
        else this.#onError(outcome.reason);
        continue;
      }
      const { feed, count, reply } = outcome.value;
      const [entries, scan, dueMs] = reply;
      feed.scan = scan;
      if ((count === 0 && feed.members.size > 0) || scan !== '-' || (dueMs === 0 && entries.length >= count))
        owed = true;
      // What is due and cannot be moved, as to a server without memory, is not tried all the time.
      else if (dueMs >= 0) next = Math.min(entries.length > 0 || dueMs > 0 ? dueMs : STUCK_MS, next ?? MAX_DUE_MS);
      // Our own, when this process was asleep for longer than its lease, or lost it to one that died: it is still handling them.
      const unknown = entries.filter((entry) => !feed.retakes(entry));
      for (const [id] of unknown) feed.came(id);
      if (unknown.length > 0) await admit(feed, commands, unknown, into);
    }
    // After the others: what they gave is on its way to its handlers.
    if (lost) throw lost;
    return { owed, dueMs: next };
  }

  /** What was delivered to this consumer on a connection that broke. False where there may be more than there were seats for. */
  async recover(feeds: Iterable<Feed>, into: Bundle[]): Promise<boolean> {
    const { group, consumer, commands } = this.#options;
    let all = true;
    for (const feed of feeds) {
      if (feed.members.size === 0) continue;
      await feed.resume();
      const hold = new Hold(this.#seatFreed);
      const count = feed.grab(hold, Number.POSITIVE_INFINITY);
      if (count > 0) {
        const args = [group, consumer, count, ...feed.here()];
        const entries = (await commands
          .run((client) => recoverScript.run(client, [feed.stream], args))
          .finally(() => hold.release())) as Taken[];
        for (const [id] of entries) feed.came(id);
        if (entries.length > 0) await admit(feed, commands, entries, into);
        if (entries.length < count) continue;
      }
      all = false;
    }
    return all;
  }

  /** Makes lost groups again. */
  async regroup(feeds: Iterable<Feed>, deadline: number): Promise<void> {
    for (const feed of feeds) await feed.regroup(deadline);
  }

  /** Renews leases; tells the handlers of what was lost. */
  async renew(feeds: Iterable<Feed>): Promise<void> {
    const { leaseMs, timeoutMs, emit } = this.#options;
    const before = Date.now() - leaseMs / 4;
    for (const feed of feeds) {
      try {
        for (const delivery of await feed.renew(before)) {
          delivery.lost = true;
          delivery.abort(leaseLost());
          emit('leaseLost', { delivery });
        }
      } catch (error) {
        if (isReply(error, 'NOGROUP')) await feed.regroup(Date.now() + timeoutMs).catch(this.#onError);
        else if (!isConnectionError(error)) this.#onError(error);
      }
    }
  }

  /** Removes consumers that have nothing pending: the one named, or all that have been away for long. */
  async leave(feeds: Iterable<Feed>, consumer?: string): Promise<void> {
    const { group, commands, leaseMs } = this.#options;
    const idleMs = Math.max(10 * leaseMs, 300_000);
    const args = [group, consumer ?? '', idleMs];
    const removals = Array.from(feeds, (feed) =>
      commands
        .run((client) => leaveScript.run(client, [feed.stream], args))
        .catch(() => {
          // A consumer that stays behind is in nobody's way, and the next one sweeps it out.
        }),
    );
    await Promise.all(removals);
  }
}
