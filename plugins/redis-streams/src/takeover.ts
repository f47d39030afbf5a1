import { EventsError } from '@logistically/events-kernel';
import { admit, type Bundle, type Taken } from './admission.ts';
import { isConnectionError, isReply } from './error.ts';
import type { Feed } from './feed.ts';
import { PARKED } from './keys.ts';
import type { LaneOptions } from './lane.ts';
import type { Member } from './member.ts';
import { claimScript, leaveScript, recoverScript } from './script.ts';

/** The most entries that one look takes over for a member. */
const MAX_TAKEN = 100;

interface Claimed {
  /** More is due than there were slots for. */
  readonly owed: boolean;
  /** The next is due in so many ms. */
  readonly dueMs: number | undefined;
}

/** Whose deliveries are whose: takes over what is due, recovers what got lost on the way, keeps what is being handled. */
export class Takeover {
  readonly #options: LaneOptions;
  readonly #onError: (reason: unknown) => void;
  #turn = 0;

  constructor(options: LaneOptions, onError: (reason: unknown) => void) {
    this.#options = options;
    this.#onError = onError;
  }

  /** Failed deliveries whose time has come, those of dead consumers, and events published with a delay. */
  async claim(feeds: readonly Feed[], members: Iterable<Member>, into: Bundle[]): Promise<Claimed> {
    const { group, consumer, commands, leaseMs } = this.#options;
    const budgets = new Map(Array.from(members, (member) => [member, member.free]));
    this.#turn++;
    const claims = feeds.map(async (_, i) => {
      // Not always the same feed first: where slots are few, each has its turn.
      const feed = feeds[(i + this.#turn) % feeds.length] as Feed;
      let count = 0;
      for (const member of feed.members) {
        const budget = Math.min(MAX_TAKEN, budgets.get(member) ?? 0);
        budgets.set(member, (budgets.get(member) ?? 0) - budget);
        count += budget;
      }
      const keys = [feed.stream, feed.retries, feed.delayed];
      const args = [group, consumer, leaseMs, count, feed.scan, PARKED];
      const reply = await commands.run((client) => claimScript.run(client, keys, args));
      return { feed, count, reply: reply as [entries: Taken[], scan: string, dueMs: number] };
    });
    let owed = false;
    let next: number | undefined;
    let lost: unknown;
    for (const outcome of await Promise.allSettled(claims)) {
      if (outcome.status === 'rejected') {
        if (isReply(outcome.reason, 'NOGROUP') || isConnectionError(outcome.reason)) lost = outcome.reason;
        else this.#onError(outcome.reason);
        continue;
      }
      const { feed, count, reply } = outcome.value;
      const [entries, scan, dueMs] = reply;
      feed.scan = scan;
      if (scan !== '-' || (dueMs === 0 && entries.length >= count)) owed = true;
      else if (dueMs >= 0) next = Math.min(dueMs, next ?? dueMs);
      // Our own, when this process was asleep for longer than its lease: it is still handling them.
      const unknown = entries.filter(([id]) => !feed.knows(id));
      if (unknown.length > 0) await admit(feed, commands, unknown, into);
    }
    // After the others: what they gave is on its way to its handlers.
    if (lost) throw lost;
    return { owed, dueMs: next };
  }

  /** What was delivered to this consumer on a connection that broke. */
  async recover(feeds: Iterable<Feed>, into: Bundle[]): Promise<void> {
    const { group, consumer, commands } = this.#options;
    for (const feed of feeds) {
      const count = feed.slots();
      if (count === 0) continue;
      const args = [group, consumer, count, ...feed.here()];
      const entries = (await commands.run((client) => recoverScript.run(client, [feed.stream], args))) as Taken[];
      if (entries.length > 0) await admit(feed, commands, entries, into);
    }
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
          delivery.abort(
            new EventsError(
              'EVENTS_REDIS_STREAMS_LEASE_LOST',
              'This delivery was taken over by somebody else: stop working on it.',
            ),
          );
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
