import type { Redis } from 'ioredis';
import { admit, type Bundle } from './admission.ts';
import type { Commands } from './commands.ts';
import type { Connection } from './connection.ts';
import type { RawEntry } from './entry.ts';
import { isReply } from './error.ts';
import type { Feed } from './feed.ts';
import type { LaneOptions } from './lane.ts';
import { isBefore } from './position.ts';
import { Hold } from './seats.ts';

/** The most entries of one reply for one stream: more would live longer, and cost the garbage collector more than they save. */
const MAX_COUNT = 200;

type Streams = readonly [stream: string, entries: readonly RawEntry[]][];
type Reply = Streams | null;
type Read = (client: Redis) => Promise<Reply>;

interface Abandoned {
  readonly id: number;
  readonly server: string | undefined;
}

/** The blocking connection of a lane, and what it reads. */
export class Reader {
  readonly connection: Connection;
  /** When Redis last answered a read, ms since the epoch. */
  answeredAt = Date.now();
  /** When entries last came. */
  receivedAt = Date.now();
  readonly #options: LaneOptions;
  readonly #seatFreed: () => void;
  #id: number | undefined;
  /** Connections that we gave up, and the server perhaps did not. */
  #abandoned: Abandoned[] = [];
  #server: string | undefined;
  #blocked = false;
  /** The keys are being moved to another node, where only commands are taken. */
  #asks = false;
  #turn = 0;

  constructor(options: LaneOptions, onDown: () => void, seatFreed: () => void) {
    this.#options = options;
    this.#seatFreed = seatFreed;
    this.connection = options.connect({
      onUp: () => this.#identify(),
      onDown: () => {
        if (this.#id !== undefined) this.#abandoned.push({ id: this.#id, server: this.#server });
        this.#id = undefined;
        this.#server = undefined;
        onDown();
      },
    });
  }

  /** Reads what is new in the feeds into `into`, within their free seats; waits for it up to `blockMs`. */
  read(feeds: readonly Feed[], blockMs: number, into: Bundle[]): Promise<void> {
    if (this.#asks) return this.#fetchAll(feeds, into);
    if (feeds.some((feed) => feed.shared)) return this.#readShared(feeds, blockMs, into);
    // Where members have fewer seats than feeds, one reply over all feeds could overfill them: look first, then read one by one.
    const count = Math.min(MAX_COUNT, ...feeds.map((feed) => feed.share()));
    return count > 0
      ? this.#wait(this.#group(feeds, ['COUNT', count, 'BLOCK', blockMs]), blockMs, (reply) =>
          this.#admit(feeds, reply, into),
        )
      : this.#wait(this.#scout(feeds, blockMs), blockMs, (reply) => this.#fetch(feeds, reply, into));
  }

  /** The same where other lanes read for the same subscriptions: what may come is held free, and what waits for a seat waits here. */
  #readShared(feeds: readonly Feed[], blockMs: number, into: Bundle[]): Promise<void> {
    const full = feeds.filter((feed) => feed.more);
    if (full.length > 0) return this.#fetchAll(full, into);
    const hold = new Hold(this.#seatFreed);
    const count = Math.min(MAX_COUNT, ...feeds.map((feed) => feed.share(hold)));
    if (count === 0) {
      hold.release();
      return this.#wait(this.#scout(feeds, blockMs), blockMs, (reply) => {
        const seen = feeds.filter((feed) => reply.some(([stream]) => stream === feed.stream));
        for (const feed of seen) feed.more = true;
        return this.#fetchAll(seen, into);
      });
    }
    const read = this.#wait(this.#group(feeds, ['COUNT', count, 'BLOCK', blockMs]), blockMs, (reply) => {
      hold.release();
      for (const feed of feeds)
        feed.more = reply.some(([stream, entries]) => stream === feed.stream && entries.length >= count);
      return this.#admit(feeds, reply, into);
    });
    return read.finally(() => hold.release());
  }

  /** Reads what is there, feed by feed, without waiting: that needs no connection of its own. */
  async #fetchAll(feeds: readonly Feed[], into: Bundle[]): Promise<void> {
    const way: Commands = this.#asks ? this.#options.commands : this.connection;
    this.#asks = false;
    for (const feed of feeds) {
      const hold = new Hold(this.#seatFreed);
      const count = feed.grab(hold, MAX_COUNT);
      if (count === 0) continue;
      let reply: Reply;
      try {
        reply = await way.run(this.#group([feed], ['COUNT', count]));
      } catch (error) {
        this.#asks = isReply(error, 'ASK');
        throw error;
      } finally {
        hold.release();
      }
      this.answeredAt = Date.now();
      const entries = reply?.[0]?.[1] ?? [];
      feed.more = entries.length >= count;
      if (reply) await this.#admit([feed], reply, into);
    }
  }

  /** Sends a read. No `await`: every turn of the queue between the reply and the handler is latency. */
  #wait(command: Read, blockMs: number, take: (reply: Streams) => Promise<void> | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#blocked = true;
      this.connection.call(
        command,
        blockMs + this.#options.timeoutMs,
        (reply) => {
          this.#blocked = false;
          this.answeredAt = Date.now();
          try {
            resolve(reply ? take(reply) : undefined);
          } catch (thrown) {
            reject(thrown);
          }
        },
        (reason) => {
          this.#blocked = false;
          this.#asks = isReply(reason, 'ASK');
          reject(reason);
        },
      );
    });
  }

  /** Ends a blocking read early. Where the server does not allow it, the read ends by itself a little later. */
  interrupt(): void {
    const id = this.#id;
    const { commands } = this.#options;
    // An id means somebody else on another server.
    if (!this.#blocked || id === undefined || !this.#server || this.#server !== commands.server) return;
    commands.run((client) => client.client('UNBLOCK', id)).catch(() => {});
  }

  /**
   * Makes the server give up the connections that we gave up: a read that still waits there would take the next entry to nobody.
   * False when that was not possible.
   */
  async dismiss(): Promise<boolean> {
    const { commands } = this.#options;
    const abandoned = this.#abandoned.splice(0);
    if (abandoned.some(({ server }) => server === undefined) || !commands.server) return false;
    try {
      // One that was restarted, or is no longer the master, has ended its reads by itself; an id means somebody else elsewhere.
      for (const { id, server } of abandoned)
        if (server === commands.server) await commands.run((client) => client.client('KILL', 'ID', id));
      return true;
    } catch {
      return false;
    }
  }

  #group(feeds: readonly Feed[], options: readonly (string | number)[]): Read {
    const { group, consumer } = this.#options;
    const args = [...options, 'STREAMS', ...feeds.map((feed) => feed.stream), ...feeds.map(() => '>')];
    return (client) =>
      client.xreadgroup('GROUP', group, consumer, ...(args as ['STREAMS', ...string[]])) as Promise<Reply>;
  }

  /** Waits for entries, and leaves them where they are. */
  #scout(feeds: readonly Feed[], blockMs: number): Read {
    const from = [...feeds.map((feed) => feed.stream), ...feeds.map((feed) => feed.cursor)];
    return (client) => client.xread('COUNT', 1, 'BLOCK', blockMs, 'STREAMS', ...from) as Promise<Reply>;
  }

  /** Reads the feeds that have something, one by one, each within its free seats. */
  async #fetch(feeds: readonly Feed[], seen: Streams, into: Bundle[]): Promise<void> {
    this.#turn++;
    for (let i = 0; i < seen.length; i++) {
      const [stream, [first]] = seen[(i + this.#turn) % seen.length] as [string, [RawEntry]];
      const feed = feeds.find((candidate) => candidate.stream === stream);
      const count = Math.min(MAX_COUNT, feed?.seats() ?? 0);
      if (!feed || count === 0) continue;
      const reply = await this.connection.run(this.#group([feed], ['COUNT', count]));
      if (reply) await this.#admit([feed], reply, into);
      // Others of the group were faster, and what they took must not wake us again.
      else feed.cursor = first[0];
    }
  }

  #admit(feeds: readonly Feed[], reply: Streams, into: Bundle[]): Promise<void> | undefined {
    this.receivedAt = this.answeredAt;
    let reading: Promise<void> | undefined;
    for (const [stream, entries] of reply) {
      const feed = feeds.find((candidate) => candidate.stream === stream);
      const last = entries.at(-1);
      if (!feed || !last) continue;
      // Only then is the cursor beyond them: a group that is lost meanwhile begins there again.
      const seated = (): void => {
        feed.cursor = last[0];
        feed.came(last[0]);
      };
      const admitting = (): Promise<void> | undefined => {
        // A server that took over may give again what its predecessor gave: not what is still in hands here.
        const anew = isBefore(feed.highest, entries[0]?.[0] ?? '')
          ? entries
          : entries.filter((entry) => !feed.retakes(entry));
        const admitted = admit(feed, this.#options.commands, anew, into);
        if (admitted) return admitted.then(seated);
        seated();
        return undefined;
      };
      // One after the other: what is not admitted by the time that one of them fails never will be.
      reading = reading ? reading.then(admitting) : admitting();
    }
    return reading;
  }

  #identify(): void {
    const { connection } = this;
    connection
      .run((client) => client.client('ID'))
      .then(
        (id) => {
          this.#id = id as number;
          this.#server = connection.server;
        },
        () => {},
      );
  }
}
