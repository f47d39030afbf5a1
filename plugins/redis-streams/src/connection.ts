import { EventsError, within } from '@logistically/events-kernel';
import type { Redis, RedisOptions } from 'ioredis';
import type { Command, Commands } from './commands.ts';
import { backOff, Dialer, type Endpoint } from './dialer.ts';
import { connectError, connectionLost, isRefusal, type RedisReplyError, replyError, timedOut } from './error.ts';
import type { Replicas } from './options.ts';
import { Cover } from './replication.ts';

/** What a connection is for. A reader blocks, and so does a publisher that waits for replicas: nothing else may use them. */
export type ConnectionPurpose = 'commands' | 'publisher' | 'reader';

export interface ConnectionOptions {
  readonly client: Redis;
  /** Whether to close the client in the end: a client that we were given stays open. */
  readonly owned: boolean;
  /** How long a command may take, in ms. */
  readonly timeoutMs: number;
  readonly onUp: () => void;
  readonly onDown: (reason: unknown) => void;
  /** Where and as whom to connect, asked before every attempt. Without it the client connects, and connects again, by itself. */
  readonly dial?: () => Promise<Endpoint>;
  /** Why it is the wrong server that a fresh connection leads to, if it is: then it is given up. */
  readonly verify?: (client: Redis) => Promise<Error | undefined>;
  /** The replies (their first words) that say no more than that the servers are being changed. */
  readonly passing?: ReadonlySet<string>;
  /** Hears such replies. */
  readonly onRefused?: (refusal: RedisReplyError, connection: Connection) => void;
  /** Makes `cover` wait for replicas. */
  readonly durability?: Required<Replicas>;
}

interface Call {
  readonly since: number;
  readonly late: number;
  readonly timeoutMs: number;
  readonly reject: (reason: unknown) => void;
}

/** What a client must do differently from ioredis' defaults, so that every wait ends and nothing is sent behind our back. */
export const clientOptions = (
  purpose: ConnectionPurpose,
  connectTimeoutMs: number,
): RedisOptions & { readonly replyMapping: 'legacy' } => ({
  lazyConnect: true,
  connectionName: `events-${purpose}`,
  // A command that its caller was told has failed must not be sent later: what to repeat is decided here.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  // By default a second or more, while it loads for some milliseconds.
  maxLoadingRetryTime: 100,
  retryStrategy: backOff,
  // The replies of stream commands are arrays in both protocols; RESP2 is cheaper to parse.
  protocol: 2,
  replyMapping: 'legacy',
  connectTimeout: connectTimeoutMs,
  // A goodbye that is not answered must not keep the process.
  disconnectTimeout: 100,
});

/**
 * A connection of which every call ends: with a reply, when the connection breaks, or when time is up. A call that is late
 * means that the server or the network is frozen, so the socket is given up and a new one made.
 */
export class Connection implements Commands {
  readonly client: Redis;
  readonly #cover: Cover | undefined;
  readonly #options: ConnectionOptions;
  readonly #dialer: Dialer | undefined;
  readonly #calls = new Set<Call>();
  readonly #waiting = new Set<() => void>();
  #watch: NodeJS.Timeout | undefined;
  #handshake: NodeJS.Timeout | undefined;
  #up = false;
  #closed = false;
  #lastError: unknown;
  #server: string | undefined;

  constructor(options: ConnectionOptions) {
    const { client, durability, dial, timeoutMs } = options;
    // Keys of ours are in the arguments of scripts and in replies, where the client would not know them.
    if (client.options.keyPrefix)
      throw new EventsError(
        'EVENTS_CONFIG',
        'A `keyPrefix` of the client is not supported: use `prefix` of the transport.',
      );
    this.client = client;
    this.#options = options;
    this.#cover = durability && new Cover(this, durability, timeoutMs);
    this.#dialer = dial && new Dialer(client, dial, this.#onError);
    this.client.on('connect', this.#onConnect);
    this.client.on('ready', this.#onReady);
    this.client.on('close', this.#onClose);
    this.client.on('end', this.#onEnd);
    this.client.on('error', this.#onError);
    if (this.client.status === 'ready') this.#onReady();
  }

  get up(): boolean {
    return this.#up;
  }

  get closed(): boolean {
    return this.#closed;
  }

  way(): unknown {
    return this;
  }

  cover(): Cover | undefined {
    return this.#cover;
  }

  get server(): string | undefined {
    return this.#server;
  }

  /** How long the oldest call has been waiting for its reply, in ms. */
  get waitingMs(): number {
    for (const { since } of this.#calls) return Date.now() - since;
    return 0;
  }

  /** Connects. Rejects when there is no connection by the deadline (ms since the epoch). */
  async open(deadline: number): Promise<void> {
    this.dial();
    if (await this.ready(deadline)) return;
    throw this.problem;
  }

  /** Begins to connect, unless it has begun. */
  dial(): void {
    if (this.#dialer) this.#dialer.begin();
    else if (this.client.status === 'wait') this.client.connect().catch(() => {});
  }

  /** Why there is no connection. */
  get problem(): EventsError {
    return isReplyError(this.#lastError) ? replyError(this.#lastError.message) : connectError(this.#lastError);
  }

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

  run<T>(command: Command<T>, timeoutMs = this.#options.timeoutMs): Promise<T> {
    return new Promise<T>((resolve, reject) => this.call(command, timeoutMs, resolve, reject));
  }

  call<T>(
    command: Command<T>,
    timeoutMs: number,
    resolve: (reply: T) => void,
    reject: (reason: unknown) => void,
  ): void {
    if (!this.#up) {
      reject(connectionLost());
      return;
    }
    const since = Date.now();
    const call: Call = { since, late: since + timeoutMs, timeoutMs, reject };
    this.#calls.add(call);
    this.#watch ??= setInterval(this.#look, 100);
    command(this.client).then(
      (reply) => {
        if (this.#calls.delete(call)) resolve(reply);
      },
      (error: unknown) => {
        if (isReplyError(error)) {
          const reply = replyError(error.message, this.#options.passing);
          if (!this.#calls.delete(call)) return;
          if (isRefusal(reply)) this.#options.onRefused?.(reply, this);
          reject(reply);
          return;
        }
        // A client refuses at once while it has not yet told us that the connection is gone. Who tries again must let it tell.
        setImmediate(() => {
          if (this.#calls.delete(call)) reject(connectionLost());
        });
      },
    );
  }

  async persist<T>(command: Command<T>, deadline: number): Promise<T> {
    for (;;) {
      try {
        return await this.run(command, Math.max(1, Math.min(this.#options.timeoutMs, deadline - Date.now())));
      } catch (error) {
        if (this.#up || this.#closed || Date.now() >= deadline || !(await this.ready(deadline))) throw error;
      }
    }
  }

  /** Gives up the socket; the client makes a new one. `reason`: why, if that is known. */
  reset(reason?: Error): void {
    if (reason) this.#lastError = reason;
    const { stream } = this.client as Partial<Redis>;
    if (stream) stream.destroy();
    else if (!this.#dialer) this.client.disconnect(true);
  }

  /** The same, and connects again at once: another server has taken over. */
  redial(): void {
    this.reset();
    // Not only when the socket has been closed: what waits for a reply can go to the other server now.
    this.#onClose();
    this.#dialer?.hurry();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dialer?.end();
    this.#onClose();
    this.client.off('connect', this.#onConnect);
    this.client.off('ready', this.#onReady);
    this.client.off('close', this.#onClose);
    this.client.off('end', this.#onEnd);
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
    const { verify } = this.#options;
    if (this.#up || this.#closed) clearTimeout(this.#handshake);
    else if (verify)
      verify(this.client).then(
        (wrong) => (wrong ? this.reset(wrong) : this.#raise()),
        (error: unknown) => this.reset(error instanceof Error ? error : undefined),
      );
    else this.#raise();
  };

  #raise(): void {
    clearTimeout(this.#handshake);
    if (this.#up || this.#closed || this.client.status !== 'ready') return;
    this.#up = true;
    this.#lastError = undefined;
    this.#identify();
    this.#options.onUp();
    this.#resume();
  }

  /** A server that was restarted is another one: it gives out the ids of its clients anew. */
  #identify(): void {
    this.run((client) => client.info('server')).then(
      (info) => {
        this.#server = /^run_id:(\w+)/m.exec(info)?.[1];
      },
      () => {
        // Without it all works; only what was abandoned on a server has to end there by itself.
      },
    );
  }

  readonly #onEnd = (): void => {
    this.#onClose();
    if (!this.#closed) this.#dialer?.begin();
  };

  readonly #onClose = (): void => {
    const was = this.#up;
    this.#up = false;
    this.#server = undefined;
    clearTimeout(this.#handshake);
    for (const call of this.#calls) call.reject(connectionLost());
    this.#calls.clear();
    clearInterval(this.#watch);
    this.#watch = undefined;
    if (this.#closed) this.#resume();
    else if (was) this.#options.onDown(isReplyError(this.#lastError) ? this.problem : connectionLost());
  };

  readonly #onError = (error: unknown): void => {
    this.#lastError = error;
  };

  #resume(): void {
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
  }
}

const isReplyError = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError';
