import { EventsError, isEventsError } from '@logistically/events-kernel';
import {
  type Address,
  Connection,
  type Credentials,
  clientOptions,
  connectionLost,
  loginOf,
  reachable,
} from '@logistically/events-redis-streams/engine';
import { Redis } from 'ioredis';
import type { RedisSentinelOptions } from './options.ts';
import { Refutations } from './refutations.ts';
import { type State, stateOf } from './state.ts';

/** How often the sentinels are asked, in ms: whatever they announce may get lost on the way, and comes late. */
const ASK_MS = 500;
/** The same while there is no master to work with, or a sentinel holds it for down. */
const HURRY_MS = 50;
/** How often they are asked for one another, in ms. */
const DISCOVER_MS = 5000;
/** How long a sentinel may take for an answer, in ms. */
const ANSWER_MS = 1000;
/** How long the others may take once one has answered, in ms. */
const OTHERS_MS = 100;
const SWITCH = '+switch-master';
const NO_SUCH_MASTER = /No such master/;

interface SentinelsOptions {
  readonly addresses: readonly Address[];
  readonly name: string;
  readonly credentials: RedisSentinelOptions['sentinelCredentials'];
  readonly tls: RedisSentinelOptions['sentinelTls'] | undefined;
  readonly natMap: RedisSentinelOptions['natMap'];
  /** How long a server may take for an answer, in ms. */
  readonly timeoutMs: number;
  /** Another server is the master now, or about to be. */
  readonly onSwitch: (master: Address) => void;
  /** Whether somebody waits for a master. */
  readonly isWaitedFor: () => boolean;
}

/** What a sentinel knows of the master. */
interface View {
  readonly master: Address;
  readonly flags: string;
  /** Of the last failover, and half of one more while the next one goes on: the higher one is the newer view. */
  readonly epoch: number;
  /** How many sentinels there are, as far as it knows. */
  readonly sentinels: number;
}

interface Sentinel {
  readonly questions: Connection;
  readonly news: Connection;
}

const closeSentinel = ({ questions, news }: Sentinel): void => {
  questions.close();
  news.close();
};

const keyOf = ({ host, port }: Address): string => `${host}:${port}`;

/** https://redis.io/docs/latest/develop/reference/sentinel-clients/ */
export class Sentinels {
  readonly #options: SentinelsOptions;
  readonly #sentinels = new Map<string, Sentinel>();
  #master: Address | undefined;
  #epoch = -1;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<View | undefined> | undefined;
  #lookedAt = 0;
  #discoveredAt = 0;
  /** Why one of them did not tell what it was asked. */
  #refusal: EventsError | undefined;
  readonly #refutations: Refutations;
  /** A sentinel holds the master for down, or replaces it. */
  #troubled = false;

  constructor(options: SentinelsOptions) {
    this.#options = options;
    this.#refutations = new Refutations(options.timeoutMs);
  }

  open(): void {
    for (const address of this.#options.addresses) this.#add(address);
    this.#timer = setInterval(() => {
      const hurry = this.#troubled || this.#options.isWaitedFor();
      if (!this.#looking && (hurry || Date.now() - this.#lookedAt >= ASK_MS)) void this.#look();
    }, HURRY_MS);
    this.#timer.unref();
  }

  /** Where the master is. Rejects when no sentinel can tell, and none ever did. */
  async master(): Promise<Address> {
    await this.#connected();
    const view = await this.#look();
    if (view) return view.master;
    // Without any sentinel work goes on with the master that is known; who connects asks it whether it is one.
    if (this.#reached === 0 && this.#master) return this.#master;
    throw this.#reached > 0 ? this.#unknown() : this.#unreachable();
  }

  /** A server that was named as the master says whether it is one. */
  answered(address: Address, isMaster: boolean): void {
    if (isMaster) this.#refutations.forget(keyOf(address));
    else this.#refutations.deny(keyOf(address));
  }

  /** Why there is no master to work with, in words. */
  async problem(): Promise<string | undefined> {
    const { name } = this.#options;
    if (this.#reached === 0) return this.#unreachable().message;
    const [view] = await this.#views();
    if (!view) return this.#unknown().message;
    const quorum = await this.#ask((sentinel) => sentinel.run((client) => client.call('SENTINEL', 'CKQUORUM', name)));
    const refusals = quorum.filter((answer): answer is Error => answer instanceof Error);
    if (refusals.some(({ message }) => message.includes('NOQUORUM')))
      return `no quorum: ${this.#reached} of ${this.#sentinels.size} sentinels can be reached, too few to elect another master`;
    if (/failover_in_progress/.test(view.flags))
      return 'failing over: the sentinels are making another server the master';
    if (/[so]_down/.test(view.flags)) return 'the master is down: the sentinels have not agreed on another one yet';
    return undefined;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const sentinel of this.#sentinels.values()) closeSentinel(sentinel);
    this.#sentinels.clear();
  }

  get #reached(): number {
    return [...this.#sentinels.values()].filter(({ questions }) => questions.up).length;
  }

  /** They answer, and tell of no master. */
  #unknown(): EventsError {
    const { name } = this.#options;
    return this.#refusal && !NO_SUCH_MASTER.test(this.#refusal.message)
      ? new EventsError(
          'EVENTS_REDIS_SENTINEL_REFUSED',
          `None of ${this.#sentinels.size} sentinels tells where the master is. ${this.#refusal.message} (\`sentinelCredentials\`)`,
        )
      : new EventsError(
          'EVENTS_REDIS_SENTINEL_NO_MASTER',
          `The sentinels know no master \`${name}\`: compare \`sentinelName\` with their configuration.`,
        );
  }

  #unreachable(): EventsError {
    const why = [...this.#sentinels.values()].map(({ questions }) => questions.problem.message);
    return new EventsError(
      'EVENTS_REDIS_SENTINEL_UNREACHABLE',
      `None of ${this.#sentinels.size} sentinels can be reached. ${(why[0] ?? connectionLost().message).replaceAll('redis.tls', 'sentinelTls')}`,
    );
  }

  #add(address: Address): void {
    const key = keyOf(address);
    if (this.#sentinels.has(key)) return;
    const { tls, credentials } = this.#options;
    const ask = typeof credentials === 'function' ? credentials : credentials && (() => credentials);
    const logIn = (): Promise<Partial<Credentials>> => loginOf('sentinelCredentials', ask, Date.now() + ANSWER_MS);
    const connect = (onUp: () => void): Connection => {
      const connection = new Connection({
        client: new Redis({
          ...address,
          ...clientOptions('commands', ANSWER_MS),
          ...(tls && { tls }),
          connectionName: 'events-sentinel',
          retryStrategy: null,
          // A sentinel has no database that could be loading.
          enableReadyCheck: false,
          autoResubscribe: false,
        }),
        owned: true,
        timeoutMs: ANSWER_MS,
        dial: async () => ({ ...address, ...(await logIn()) }),
        onUp,
        onDown: () => {},
      });
      connection.dial();
      return connection;
    };
    const questions = connect(() => void this.#look());
    const news = connect(() => {
      void news.run((client) => client.subscribe(SWITCH)).catch(() => news.reset());
    });
    news.client.on('message', (_, message: string) => this.#announced(message));
    this.#sentinels.set(key, { questions, news });
  }

  /** `<name> <old host> <old port> <new host> <new port>`, the moment that it happens. */
  #announced(message: string): void {
    const [name, , , host, port] = message.split(' ');
    if (name === this.#options.name && host && port)
      this.#follow(reachable(this.#options.natMap, { host, port: Number(port) }));
  }

  #follow(master: Address): void {
    if (this.#master && keyOf(this.#master) === keyOf(master)) return;
    const before = this.#master;
    this.#master = master;
    if (before) this.#options.onSwitch(master);
  }

  /** Asks all, once for all who want to know; follows the newest view. */
  #look(): Promise<View | undefined> {
    this.#looking ??= this.#lookAround().finally(() => {
      this.#looking = undefined;
      this.#lookedAt = Date.now();
    });
    return this.#looking;
  }

  async #lookAround(): Promise<View | undefined> {
    const views = await this.#views();
    this.#troubled = views.some(({ flags }) => /_down|failover/.test(flags));
    const isRefuted = ({ master, epoch }: View): boolean => this.#refutations.holds(keyOf(master), epoch);
    const view = views.find((each) => !isRefuted(each)) ?? views[0];
    if (!view) return undefined;
    if (isRefuted(view) && this.#master) return { ...view, master: this.#master };
    // One that was cut off from the others tells what was true before; most of them know. Those that are gone are no voters.
    const voters = Math.min(this.#sentinels.size, Math.max(2, ...views.map(({ sentinels }) => sentinels)));
    if (view.epoch >= this.#epoch || views.length > voters / 2) {
      this.#epoch = view.epoch;
      this.#refutations.follow(keyOf(view.master), view.epoch);
      this.#follow(view.master);
      if (Date.now() - this.#discoveredAt > DISCOVER_MS) void this.#discover();
    }
    return this.#master ? { ...view, master: this.#master } : view;
  }

  /** The newest first. */
  async #views(): Promise<View[]> {
    const answers = await this.#ask((connection) => this.#viewOf(connection));
    this.#refusal = answers.find(isEventsError);
    const views = answers.filter((answer) => typeof answer === 'object' && answer !== null && 'epoch' in answer);
    return (views as View[]).sort((a, b) => b.epoch - a.epoch);
  }

  async #viewOf(sentinel: Connection): Promise<View | undefined> {
    const { name } = this.#options;
    const state = stateOf(await sentinel.run((client) => client.call('SENTINEL', 'MASTER', name)));
    const { flags = '', 'config-epoch': epoch = '0', 'num-other-sentinels': others } = state;
    const sentinels = others === undefined ? this.#sentinels.size : Number(others) + 1;
    const master = this.#addressOf(state);
    if (!master) return undefined;
    // The address is the old one until the failover is over. The one that leads it has chosen the next master long before.
    const next = flags.includes('failover_in_progress') ? await this.#promoted(sentinel) : undefined;
    return { master: next ?? master, flags, epoch: Number(epoch) + (next ? 0.5 : 0), sentinels };
  }

  async #promoted(sentinel: Connection): Promise<Address | undefined> {
    const replicas = await sentinel.run((client) => client.call('SENTINEL', 'REPLICAS', this.#options.name));
    const states = Array.isArray(replicas) ? replicas.map(stateOf) : [];
    const promoted = states.find(({ flags = '' }) => flags.split(',').includes('promoted'));
    return promoted && this.#addressOf(promoted);
  }

  #addressOf({ ip, port }: State): Address | undefined {
    return ip && port ? reachable(this.#options.natMap, { host: ip, port: Number(port) }) : undefined;
  }

  /** Follows who the sentinels are: those that we were told of may be gone one day, and others come. */
  async #discover(): Promise<void> {
    this.#discoveredAt = Date.now();
    const { name } = this.#options;
    const answers = await this.#ask((sentinel) => sentinel.run((client) => client.call('SENTINEL', 'SENTINELS', name)));
    const known = new Set(this.#options.addresses.map(keyOf));
    const lists = answers.filter(Array.isArray);
    for (const entry of lists.flat()) {
      const state = stateOf(entry);
      const address = this.#addressOf(state);
      if (!address) continue;
      known.add(keyOf(address));
      if (!/disconnected|s_down/.test(state.flags ?? '')) this.#add(address);
    }
    if (lists.length === 0) return;
    for (const [key, sentinel] of this.#sentinels) {
      if (known.has(key) || sentinel.questions.up) continue;
      closeSentinel(sentinel);
      this.#sentinels.delete(key);
    }
  }

  /** The answers of those that can be reached: of all, or of those that were there soon after the first. Errors are answers too. */
  async #ask(question: (sentinel: Connection) => Promise<unknown>): Promise<unknown[]> {
    const answers: unknown[] = [];
    const asked = [...this.#sentinels.values()].filter(({ questions }) => questions.up);
    if (asked.length === 0) return [];
    await new Promise<void>((resolve) => {
      const done = (answer: unknown): void => {
        if (answers.push(answer) === asked.length) resolve();
        else if (answers.length === 1) setTimeout(resolve, OTHERS_MS).unref();
      };
      for (const { questions } of asked) question(questions).then(done, done);
    });
    return answers;
  }

  /** Resolves when a sentinel is connected, or when it was waited for long enough. */
  async #connected(): Promise<void> {
    const deadline = Date.now() + ANSWER_MS;
    const ready = Array.from(this.#sentinels.values(), async ({ questions }) => {
      if (!(await questions.ready(deadline))) throw questions.problem;
    });
    await Promise.any(ready).catch(() => {});
  }
}
