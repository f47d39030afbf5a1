import { EventsError, isEventsError, within } from '@logistically/events-kernel';
import { Redis } from 'ioredis';
import { type Address, type Credentials, formatAddress } from './target.ts';

/** PEM. */
export interface TlsFiles {
  /** Certificates to trust. */
  readonly ca?: string;
  /** The client's own certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
}

export interface SessionOptions {
  readonly address: Address;
  readonly credentials: Credentials;
  readonly database?: number;
  /** Undefined without TLS. */
  readonly tls: TlsFiles | undefined;
  /** How long to connect, and each command, may take, ms. */
  readonly timeoutMs: number;
  /** Where it is noted what the user may not do. */
  readonly refused: Set<string>;
}

/** A reply that says that the user may not, or that the server does not know the command. */
const REFUSAL = /^NOPERM|unknown (?:sub)?command|^ERR Unknown subcommand/i;
/** Replies to somebody who is not let in. */
const LOCKED = /^-?(NOAUTH|WRONGPASS|LOADING|DENIED|MASTERDOWN)/;
const CONTAINERS = new Set(['acl', 'client', 'cluster', 'config', 'memory', 'sentinel', 'xinfo']);

const nameOf = ([command = '', sub = '']: readonly string[]): string =>
  CONTAINERS.has(command) ? `${command}|${sub.toLowerCase()}` : command;

/** What may be shown of what went wrong: never more than the first words of a reply. */
const reasonOf = (thrown: unknown): string => {
  if (isEventsError(thrown)) return thrown.message;
  const { name, message, code } = (thrown ?? {}) as { name?: string; message?: string; code?: unknown };
  if (name === 'ReplyError') return `it replied ${/^-?[A-Z]+/.exec(message ?? '')?.[0] ?? 'an error'}`;
  return typeof code === 'string' ? code : 'the connection was closed';
};

/** A connection to one node on which every command ends, by a reply or by its deadline. */
export class Session {
  readonly where: string;
  readonly address: Address;
  readonly #client: Redis;
  readonly #options: SessionOptions;
  #error: unknown;

  constructor(options: SessionOptions) {
    const { address, credentials, database = 0, tls, timeoutMs } = options;
    this.#options = options;
    this.address = address;
    this.where = formatAddress(address);
    this.#client = new Redis({
      ...address,
      ...credentials,
      db: database,
      lazyConnect: true,
      connectionName: 'events-doctor',
      connectTimeout: timeoutMs,
      disconnectTimeout: 100,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      protocol: 2,
      replyMapping: 'legacy',
      ...(tls && { tls: { ...tls, ...(isName(address.host) && { servername: address.host }) } }),
    });
    this.#client.on('error', (error) => {
      this.#error ??= error;
    });
  }

  /** Connects. Rejects with `EVENTS_REDIS_STREAMS_CONNECTION`, which tells where and why. */
  async open(): Promise<void> {
    try {
      await this.#timed(this.#client.connect());
      // Not PING: a server that cannot write to its disk refuses it, and is to be looked at all the more.
      const { error = '' } = await this.attempt('info', 'server');
      if (LOCKED.test(error)) throw Object.assign(new Error(error), { name: 'ReplyError' });
    } catch (thrown) {
      this.close();
      if (isEventsError(thrown)) throw thrown.code === 'EVENTS_REDIS_STREAMS_TIMEOUT' ? this.#failure(thrown) : thrown;
      // What the socket or the handshake said tells more than that it was closed.
      throw this.#failure(isReply(thrown) ? thrown : (this.#error ?? thrown));
    }
  }

  /** The reply; undefined where the user may not, or the server does not know it, or replies with an error. Rejects without a reply. */
  async ask(...words: readonly string[]): Promise<unknown> {
    const outcome = await this.attempt(...words);
    return outcome.error === undefined ? outcome.reply : undefined;
  }

  /** The reply, or the error that the server replied with. Rejects without a reply. */
  async attempt(...words: readonly string[]): Promise<{ readonly reply?: unknown; readonly error?: string }> {
    const [command = '', ...args] = words;
    try {
      return { reply: await this.#timed(this.#client.call(command, ...args)) };
    } catch (thrown) {
      if (!isReply(thrown)) throw this.#failure(thrown);
      const { message } = thrown;
      if (REFUSAL.test(message)) this.#options.refused.add(nameOf(words));
      return { error: message };
    }
  }

  close(): void {
    this.#client.disconnect();
    this.#client.stream?.destroy();
  }

  async #timed<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    if (!(await within(work, Date.now() + this.#options.timeoutMs)))
      throw new EventsError('EVENTS_REDIS_STREAMS_TIMEOUT', `it gave no answer within ${this.#options.timeoutMs} ms`);
    return work;
  }

  #failure(thrown: unknown): EventsError {
    const { tls } = this.#options;
    const reason = reasonOf(thrown);
    // Such a server hangs up, with an alert that does not always arrive.
    const mayBeNameless = tls && !tls.cert && /CERTIFICATE_REQUIRED|ECONNRESET|EPIPE|was closed/.test(reason);
    const why = mayBeNameless ? `${reason}; it may want a certificate of the client (--tls-cert, --tls-key)` : reason;
    return new EventsError('EVENTS_REDIS_STREAMS_CONNECTION', `${this.where} cannot be looked at: ${why}.`);
  }
}

const isReply = (thrown: unknown): thrown is Error => thrown instanceof Error && thrown.name === 'ReplyError';

const isName = (host: string): boolean => /[a-z]/i.test(host) && !host.includes(':');
