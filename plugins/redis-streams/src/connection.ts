import { within } from '@logistically/events-kernel';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { connectionLost, replyError, timedOut } from './error.ts';

/** The clients that this transport can work with. */
export type RedisClient = Redis | Cluster;

/** What a connection is for. A reader blocks, so nothing else may use it. */
export type ConnectionPurpose = 'commands' | 'reader';

interface ConnectionOptions {
  readonly client: RedisClient;
  /** Whether to close the client in the end: a client that we were given stays open. */
  readonly owned: boolean;
  /** How long a command may take, in ms. */
  readonly timeoutMs: number;
  readonly onUp: () => void;
  readonly onDown: (reason: unknown) => void;
}

interface Call {
  readonly late: number;
  readonly timeoutMs: number;
  readonly reject: (reason: unknown) => void;
}

/** What a client must do differently from ioredis' defaults, so that every wait ends and nothing is sent behind our back. */
export const clientOptions = (
  purpose: ConnectionPurpose,
  timeoutMs: number,
): RedisOptions & { readonly replyMapping: 'legacy' } => ({
  lazyConnect: true,
  connectionName: `events-${purpose}`,
  // A command that its caller was told has failed must not be sent later: what to repeat is decided here.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  retryStrategy: (times) => Math.min(20 * 2 ** times, 1000) + Math.floor(Math.random() * 50),
  // The replies of stream commands are arrays in both protocols; RESP2 is cheaper to parse.
  protocol: 2,
  replyMapping: 'legacy',
  connectTimeout: timeoutMs,
  // A goodbye that is not answered must not keep the process.
  disconnectTimeout: 100,
});

/**
 * A connection of which every call ends: with a reply, when the connection breaks, or when time is up. A call that is late
 * means that the server or the network is frozen, so the socket is given up and a new one made.
 */
export class Connection {
  readonly client: RedisClient;
  readonly #options: ConnectionOptions;
  readonly #calls = new Set<Call>();
  readonly #waiting = new Set<() => void>();
  #watch: NodeJS.Timeout | undefined;
  #handshake: NodeJS.Timeout | undefined;
  #up = false;
  #closed = false;
  #lastError: unknown;

  constructor(options: ConnectionOptions) {
    this.client = options.client;
    this.#options = options;
    this.client.on('connect', this.#onConnect);
    this.client.on('ready', this.#onReady);
    this.client.on('close', this.#onClose);
    this.client.on('end', this.#onClose);
    this.client.on('error', this.#onError);
    if (this.client.status === 'ready') this.#onReady();
  }

  get up(): boolean {
    return this.#up;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Connects. Rejects when there is no connection by the deadline (ms since the epoch). */
  async open(deadline: number): Promise<void> {
    if (this.client.status === 'wait') this.client.connect().catch(() => {});
    if (await this.ready(deadline)) return;
    if (isReplyError(this.#lastError)) throw replyError(this.#lastError.message);
    const why = this.#lastError instanceof Error ? ` (${nameOf(this.#lastError)})` : '';
    throw Object.assign(connectionLost(), {
      message: `There is no connection to Redis${why}. Check the address and that it runs.`,
    });
  }

  /** True when connected by the deadline (ms since the epoch). */
  async ready(deadline: number): Promise<boolean> {
    if (this.#up || this.#closed) return this.#up;
    let resume: (() => void) | undefined;
    const up = new Promise<void>((resolve) => {
      resume = resolve;
      this.#waiting.add(resolve);
    });
    await within(up, deadline);
    this.#waiting.delete(resume as () => void);
    return this.#up;
  }

  /** Runs a command. Rejects with an `EventsError` that shows no argument of it. */
  run<T>(command: (client: Redis) => Promise<T>, timeoutMs = this.#options.timeoutMs): Promise<T> {
    return new Promise<T>((resolve, reject) => this.call(command, timeoutMs, resolve, reject));
  }

  /** The same for the hot path, without a promise: calls one of `resolve` and `reject`, once. */
  call<T>(
    command: (client: Redis) => Promise<T>,
    timeoutMs: number,
    resolve: (reply: T) => void,
    reject: (reason: unknown) => void,
  ): void {
    if (!this.#up) {
      reject(connectionLost());
      return;
    }
    const call: Call = { late: Date.now() + timeoutMs, timeoutMs, reject };
    this.#calls.add(call);
    this.#watch ??= setInterval(this.#look, 100);
    command(this.client as Redis).then(
      (reply) => {
        if (this.#calls.delete(call)) resolve(reply);
      },
      (error: unknown) => {
        if (isReplyError(error)) {
          if (this.#calls.delete(call)) reject(replyError(error.message));
          return;
        }
        // A client refuses at once while it has not yet told us that the connection is gone. Who tries again must let it tell.
        setImmediate(() => {
          if (this.#calls.delete(call)) reject(connectionLost());
        });
      },
    );
  }

  /** Runs a command that may be repeated, until it succeeds or the deadline (ms since the epoch) has passed. */
  async persist<T>(command: (client: Redis) => Promise<T>, deadline: number): Promise<T> {
    for (;;) {
      try {
        return await this.run(command, Math.max(1, Math.min(this.#options.timeoutMs, deadline - Date.now())));
      } catch (error) {
        if (this.#up || this.#closed || Date.now() >= deadline || !(await this.ready(deadline))) throw error;
      }
    }
  }

  /** Gives up the socket; the client makes a new one. */
  reset(): void {
    const { stream } = this.client as Partial<Redis>;
    if (stream) stream.destroy();
    else this.client.disconnect(true);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose();
    this.client.off('connect', this.#onConnect);
    this.client.off('ready', this.#onReady);
    this.client.off('close', this.#onClose);
    this.client.off('end', this.#onClose);
    if (this.#options.owned) {
      this.client.disconnect();
      // A frozen server never answers the goodbye.
      (this.client as Partial<Redis>).stream?.destroy();
    } else this.client.off('error', this.#onError);
  }

  readonly #look = (): void => {
    const now = Date.now();
    let late = false;
    for (const call of this.#calls) {
      if (call.late > now) continue;
      late = true;
      this.#calls.delete(call);
      call.reject(timedOut(call.timeoutMs));
    }
    if (late) this.reset();
    if (this.#calls.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    }
  };

  /** Also a connection that freezes while it is being made must end. */
  readonly #onConnect = (): void => {
    clearTimeout(this.#handshake);
    this.#handshake = setTimeout(() => this.reset(), this.#options.timeoutMs);
  };

  readonly #onReady = (): void => {
    clearTimeout(this.#handshake);
    if (this.#up || this.#closed) return;
    this.#up = true;
    this.#lastError = undefined;
    this.#options.onUp();
    this.#resume();
  };

  readonly #onClose = (): void => {
    const was = this.#up;
    this.#up = false;
    clearTimeout(this.#handshake);
    for (const call of this.#calls) call.reject(connectionLost());
    this.#calls.clear();
    clearInterval(this.#watch);
    this.#watch = undefined;
    if (this.#closed) this.#resume();
    else if (was) this.#options.onDown(this.#lastError ? asEventsError(this.#lastError) : connectionLost());
  };

  readonly #onError = (error: unknown): void => {
    this.#lastError = error;
  };

  #resume(): void {
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
  }
}

/** The part of a client's error that carries no secret and no payload. */
const nameOf = (error: Error): string => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
};

const isReplyError = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError';

const asEventsError = (error: unknown): Error => (isReplyError(error) ? replyError(error.message) : connectionLost());
