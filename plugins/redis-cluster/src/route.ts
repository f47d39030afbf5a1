import type { Command, Commands, Connection, Cover, RedisReplyError } from '@logistically/events-redis-streams/engine';
import { connectionLost, isRefusal } from '@logistically/events-redis-streams/engine';
import type { Redis } from 'ioredis';

/** ms between two attempts while the slot is served by nobody, or being moved: at first, and at most. */
const RETRY_MS = 10;
const MAX_RETRY_MS = 250;
/** How long a command on several keys is repeated that waits for all of them to be moved: it may be long, and others wait behind it. */
const SPLIT_MS = 300;

interface RouteOptions {
  readonly timeoutMs: number;
  /** The connection to the node that has the slot, as far as is known. */
  readonly connection: () => Connection | undefined;
  /** The connection to the node that a refusal names. */
  readonly redirected: (refusal: RedisReplyError) => Connection | undefined;
  /** Resolves when the slot may be served by somebody else, and at the deadline (ms since the epoch). */
  readonly changed: (deadline: number) => Promise<void>;
  readonly isClosed: () => boolean;
}

/** The node takes the commands although the slot is not its own yet: each of them is announced by ASKING. */
const asking =
  <T>(command: Command<T>): Command<T> =>
  (client) => {
    const asker: Redis = Object.create(client);
    asker.sendCommand = (...sent) => {
      client.asking().catch(() => {});
      return client.sendCommand(...sent);
    };
    return command(asker);
  };

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The way to a slot, to whatever node has it. */
export class Route implements Commands {
  readonly #options: RouteOptions;

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  cover(refused?: RedisReplyError): Cover | undefined {
    return this.way(refused)?.cover();
  }

  get up(): boolean {
    return this.#options.connection()?.up ?? false;
  }

  get closed(): boolean {
    return this.#options.isClosed();
  }

  way(refused?: RedisReplyError): Connection | undefined {
    const { connection, redirected } = this.#options;
    const asks = refused?.reply === 'ASK' ? redirected(refused) : undefined;
    return asks?.up ? asks : connection();
  }

  get server(): string | undefined {
    return this.#options.connection()?.server;
  }

  async ready(deadline: number): Promise<boolean> {
    while (!this.up && !this.closed && Date.now() < deadline) await this.#options.changed(deadline);
    return this.up;
  }

  call<T>(
    command: Command<T>,
    timeoutMs: number,
    resolve: (reply: T) => void,
    reject: (reason: unknown) => void,
    refused?: RedisReplyError,
  ): void {
    const way = this.way(refused);
    const asks = refused?.reply === 'ASK' && way !== this.#options.connection();
    if (way) way.call(asks ? asking(command) : command, timeoutMs, resolve, reject);
    else reject(connectionLost());
  }

  /** Goes where it is sent, and waits out what passes: a refused command was not done. */
  async run<T>(command: Command<T>, timeoutMs = this.#options.timeoutMs): Promise<T> {
    const begun = Date.now();
    const deadline = begun + timeoutMs;
    let refused: RedisReplyError | undefined;
    for (let times = 0; ; times++) {
      const after = refused;
      try {
        return await new Promise<T>((resolve, reject) =>
          this.call(command, Math.max(1, deadline - Date.now()), resolve, reject, after),
        );
      } catch (error) {
        if (!isRefusal(error) || Date.now() >= deadline || this.closed) throw error;
        if (error.reply === 'TRYAGAIN' && Date.now() >= begun + SPLIT_MS) throw error;
        refused = error;
        // To be sent elsewhere once is nothing to wait for.
        if (times > 0 || !error.redirection) await pause(Math.min(RETRY_MS * 2 ** times, MAX_RETRY_MS));
      }
    }
  }

  async persist<T>(command: Command<T>, deadline: number): Promise<T> {
    for (;;) {
      try {
        return await this.run(command, Math.max(1, Math.min(this.#options.timeoutMs, deadline - Date.now())));
      } catch (error) {
        if (this.up || this.closed || Date.now() >= deadline || !(await this.ready(deadline))) throw error;
      }
    }
  }
}
