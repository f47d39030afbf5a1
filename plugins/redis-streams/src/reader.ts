import type { Redis } from 'ioredis';
import { admit, type Bundle } from './admission.ts';
import { Connection } from './connection.ts';
import type { RawEntry } from './entry.ts';
import type { Feed } from './feed.ts';
import type { LaneOptions } from './lane.ts';

/** The most entries of one reply for one stream: more would live longer, and cost the garbage collector more than they save. */
const MAX_COUNT = 200;

type Reply = readonly [stream: string, entries: readonly RawEntry[]][] | null;

/** The blocking connection of a lane, and what it reads. */
export class Reader {
  readonly connection: Connection;
  /** When Redis last answered a read, ms since the epoch. */
  answeredAt = Date.now();
  /** When entries last came. */
  receivedAt = Date.now();
  readonly #options: LaneOptions;
  #id: number | undefined;
  /** Ids of connections that we gave up, and the server perhaps did not. */
  #abandoned: number[] = [];
  #blocked = false;
  #turn = 0;

  constructor(options: LaneOptions, onDown: () => void) {
    this.#options = options;
    this.connection = new Connection({
      client: options.reader,
      owned: true,
      timeoutMs: options.timeoutMs,
      onUp: () => this.#identify(),
      onDown: () => {
        if (this.#id !== undefined) this.#abandoned.push(this.#id);
        this.#id = undefined;
        onDown();
      },
    });
  }

  /** Reads what is new in the feeds into `into`, within their free slots; waits for it up to `blockMs`. */
  async read(feeds: readonly Feed[], blockMs: number, into: Bundle[]): Promise<void> {
    // Where members have fewer slots than feeds, one reply over all feeds could overfill them: look first, then read one by one.
    const count = Math.min(MAX_COUNT, ...feeds.map((feed) => feed.share()));
    if (count > 0) await this.#readAll(feeds, count, blockMs, into);
    else await this.#readScouted(feeds, blockMs, into);
  }

  /** Ends a blocking read early. Where the server does not allow it, the read ends by itself a little later. */
  interrupt(): void {
    const id = this.#id;
    if (!this.#blocked || id === undefined) return;
    this.#options.commands.run((client) => client.client('UNBLOCK', id)).catch(() => {});
  }

  /**
   * Makes the server give up the connections that we gave up: a read that still waits there would take the next entry to nobody.
   * False when that was not possible.
   */
  async dismiss(): Promise<boolean> {
    const ids = this.#abandoned.splice(0);
    try {
      for (const id of ids) await this.#options.commands.run((client) => client.client('KILL', 'ID', id));
      return true;
    } catch {
      return false;
    }
  }

  async #readAll(feeds: readonly Feed[], count: number, blockMs: number, into: Bundle[]): Promise<void> {
    const { group, consumer } = this.#options;
    const streams = feeds.map((feed) => feed.stream);
    const from = streams.map(() => '>');
    const reply = await this.#block(blockMs, (client) => {
      const args = ['COUNT', count, 'BLOCK', blockMs, 'STREAMS', ...streams, ...from] as const;
      return client.xreadgroup(
        'GROUP',
        group,
        consumer,
        ...(args as unknown as ['STREAMS', ...string[]]),
      ) as Promise<Reply>;
    });
    await this.#admit(feeds, reply, into);
  }

  async #readScouted(feeds: readonly Feed[], blockMs: number, into: Bundle[]): Promise<void> {
    const { group, consumer } = this.#options;
    const streams = feeds.map((feed) => feed.stream);
    const from = feeds.map((feed) => feed.cursor);
    const seen = await this.#block(blockMs, (client) => {
      const args = client.xread('COUNT', 1, 'BLOCK', blockMs, 'STREAMS', ...streams, ...from);
      return args as unknown as Promise<Reply>;
    });
    if (!seen) return;
    this.#turn++;
    for (let i = 0; i < seen.length; i++) {
      const [stream, [first]] = seen[(i + this.#turn) % seen.length] as [string, [RawEntry]];
      const feed = feeds.find((candidate) => candidate.stream === stream);
      const count = Math.min(MAX_COUNT, feed?.slots() ?? 0);
      if (!feed || count === 0) continue;
      const reply = await this.connection.run(
        (client) =>
          client.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>') as Promise<Reply>,
      );
      if (reply) await this.#admit([feed], reply, into);
      // Others of the group were faster, and what they took must not wake us again.
      else feed.cursor = first[0];
    }
  }

  async #block(blockMs: number, read: (client: Redis) => Promise<Reply>): Promise<Reply> {
    this.#blocked = true;
    try {
      const reply = await this.connection.run(read, blockMs + this.#options.timeoutMs);
      this.answeredAt = Date.now();
      return reply;
    } finally {
      this.#blocked = false;
    }
  }

  async #admit(feeds: readonly Feed[], reply: Reply, into: Bundle[]): Promise<void> {
    if (!reply) return;
    this.receivedAt = this.answeredAt;
    for (const [stream, entries] of reply) {
      const feed = feeds.find((candidate) => candidate.stream === stream);
      const last = entries.at(-1);
      if (!feed || !last) continue;
      feed.cursor = last[0];
      await admit(feed, this.#options.commands, entries, into);
    }
  }

  #identify(): void {
    this.connection
      .run((client) => client.client('ID'))
      .then(
        (id) => {
          this.#id = id as number;
        },
        () => {},
      );
  }
}
