import type { Redis } from 'ioredis';
import { admit, type Bundle } from './admission.ts';
import { Connection } from './connection.ts';
import type { RawEntry } from './entry.ts';
import type { Feed } from './feed.ts';
import type { LaneOptions } from './lane.ts';

/** The most entries of one reply for one stream: more would live longer, and cost the garbage collector more than they save. */
const MAX_COUNT = 200;

type Streams = readonly [stream: string, entries: readonly RawEntry[]][];
type Reply = Streams | null;
type Read = (client: Redis) => Promise<Reply>;

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
  read(feeds: readonly Feed[], blockMs: number, into: Bundle[]): Promise<void> {
    // Where members have fewer slots than feeds, one reply over all feeds could overfill them: look first, then read one by one.
    const count = Math.min(MAX_COUNT, ...feeds.map((feed) => feed.share()));
    const command = count > 0 ? this.#group(feeds, ['COUNT', count, 'BLOCK', blockMs]) : this.#scout(feeds, blockMs);
    // No `await`: every turn of the queue between the reply and the handler is latency.
    return new Promise((resolve, reject) => {
      this.#blocked = true;
      this.connection.call(
        command,
        blockMs + this.#options.timeoutMs,
        (reply) => {
          this.#blocked = false;
          this.answeredAt = Date.now();
          try {
            resolve(
              reply ? (count > 0 ? this.#admit(feeds, reply, into) : this.#fetch(feeds, reply, into)) : undefined,
            );
          } catch (thrown) {
            reject(thrown);
          }
        },
        (reason) => {
          this.#blocked = false;
          reject(reason);
        },
      );
    });
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

  /** Reads the feeds that have something, one by one, each within its free slots. */
  async #fetch(feeds: readonly Feed[], seen: Streams, into: Bundle[]): Promise<void> {
    this.#turn++;
    for (let i = 0; i < seen.length; i++) {
      const [stream, [first]] = seen[(i + this.#turn) % seen.length] as [string, [RawEntry]];
      const feed = feeds.find((candidate) => candidate.stream === stream);
      const count = Math.min(MAX_COUNT, feed?.slots() ?? 0);
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
      };
      const admitting = (): Promise<void> | undefined => {
        const admitted = admit(feed, this.#options.commands, entries, into);
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
