import mittModule, { type Emitter } from 'mitt';
import { type Codec, jsonCodec } from './codec.ts';
import { Consumption, type SubscribeOptions, type Subscription } from './consumption.ts';
import { createContext } from './context.ts';
import { within } from './deadline.ts';
import { EventsError } from './error.ts';
import type { Envelope, HandlerContext, OutgoingEvent } from './event.ts';
import type { EventMap, Feature, Host } from './feature.ts';
import { createIds } from './id.ts';
import type { LifecycleEvents } from './lifecycle.ts';
import { consoleLogger, type Logger } from './logger.ts';
import { type Middleware, PUBLISH_STAGES } from './middleware.ts';
import { type Awaitable, compose, type Path } from './path.ts';
import { type BatchEvent, Publisher, type PublishOptions } from './publisher.ts';
import { firstSegment, type TopicStrategy } from './topic.ts';
import type { Capabilities, Transport } from './transport.ts';

/** A type as a pattern takes it: `user.*` is `` `user.${string}` ``. */
export type MatchPattern<P extends string> = P extends `${infer A}*${infer B}` ? `${A}${string}${MatchPattern<B>}` : P;

/** The event types of a map that a pattern takes. */
export type Matching<Events extends EventMap, P extends string> = {
  [K in keyof Events & string]: K extends MatchPattern<P> ? K : never;
}[keyof Events & string];

/** The events that a handler of a pattern gets: a union, told apart by `header.type`. */
export type EventOf<Events extends EventMap, P extends string> = string extends keyof Events
  ? Envelope<string, Events[string]>
  : { [K in Matching<Events, P>]: Envelope<K, Events[K]> }[Matching<Events, P>];

export type Handler<Event extends Envelope = Envelope> = (event: Event, context: HandlerContext) => unknown;

export interface KernelOptions {
  /** Names this service: origin of what it publishes, and the group of its subscriptions. */
  readonly service: string;
  /** Region or tenant, `eu.de`. A consumer sees its own and what lies below it. */
  readonly originPrefix?: string;
  /** Further prefixes that this service sees; `'*'` opens it to all. */
  readonly origins?: readonly string[] | '*';
  /** Which topic a type goes to. Default: its first segment + `-events`. */
  readonly topics?: TopicStrategy;
  readonly codec?: Codec;
  readonly logger?: Logger;
  /** Whether what a handler publishes carries on correlation and causation by itself. Default true. */
  readonly propagate?: boolean;
  /** How long `stop` may take, in ms. Default 10 000. */
  readonly stopTimeoutMs?: number;
  /** Deliveries in flight with none settled for so long are a stall, in ms. Default 60 000. */
  readonly stallMs?: number;
}

export interface Health {
  readonly healthy: boolean;
  /** What is wrong, each with where. Empty when healthy. */
  readonly problems: readonly { readonly source: string; readonly problem: string }[];
}

/** Counted since the kernel was made. */
export interface Stats {
  readonly published: number;
  readonly publishFailed: number;
  /** Given to the publish path and not yet settled. */
  readonly publishing: number;
  readonly delivered: number;
  /** Settled as done: handled, or not for this service. */
  readonly settled: number;
  /** Settled as not done, attempts counted one by one. */
  readonly failed: number;
  /** Acknowledged without a handler: of another origin, or of a type that no pattern takes. */
  readonly filtered: number;
  readonly undecodable: number;
  /** Delivered and not yet settled. */
  readonly inFlight: number;
}

export interface StopReport {
  /** Deliveries that were handed back unfinished. */
  readonly unsettled: number;
  /** Events that were not confirmed by the deadline. */
  readonly unpublished: number;
}

type Untyped<Events> = string extends keyof Events ? true : false;
type Widened<Events extends EventMap, More extends EventMap> = [More] extends [never]
  ? Events
  : Untyped<Events> extends true
    ? More
    : Events & More;
type Missing<Can, Needs> = Can extends Needs ? unknown : { readonly missingCapability: Exclude<keyof Needs, keyof Can> };

export interface KernelBase<Can extends Capabilities, Events extends EventMap, Api extends object> extends AsyncDisposable {
  readonly service: string;
  /** Adds a plugin and returns the kernel, widened by what the plugin gives. Before `start`. */
  use<More extends Capabilities>(transport: Transport<More>): Kernel<Can & More, Events, Api>;
  use(middleware: Middleware): Kernel<Can, Events, Api>;
  use<Adds extends object, Needs extends Capabilities, More extends EventMap = never>(
    feature: Feature<Adds, Needs, More> & Missing<Can, Needs>,
  ): Kernel<Can, Widened<Events, More>, Api & Adds>;
  /** Opens transports, then features, then subscriptions. On failure everything is closed again. */
  start(): Promise<this>;
  /**
   * Stops reading, lets handlers finish, hands back what is left, flushes, closes. Ends by its deadline (ms) whatever the broker
   * does, and reports what could not be finished.
   */
  stop(timeoutMs?: number): Promise<StopReport>;
  /** Resolves with the envelope when the broker has confirmed the event, rejects when it has not by the transport's deadline. */
  publish<K extends keyof Events & string>(type: K, body: Events[K], options?: PublishOptions): Promise<Envelope<K, Events[K]>>;
  /** Publishes many at once, each with its own fate: rejects with a `PublishError` that lists what failed. */
  publishBatch<K extends keyof Events & string>(
    events: readonly { [T in K]: BatchEvent<T, Events[T]> }[K][],
  ): Promise<readonly Envelope[]>;
  /** Calls `handler` for the events that a pattern takes. Resolves when nothing published from now on can be missed. */
  subscribe<const P extends string>(
    pattern: P,
    handler: Handler<EventOf<Events, P>>,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /** Listens to lifecycle events; returns what ends it. `'*'` hears all. */
  on<K extends keyof LifecycleEvents>(type: K, listener: (event: LifecycleEvents[K]) => void): () => void;
  health(): Promise<Health>;
  stats(): Stats;
}

export type Kernel<
  Can extends Capabilities = object,
  Events extends EventMap = EventMap,
  Api extends object = object,
> = KernelBase<Can, Events, Api> & Api;

type Plugin = Transport | Middleware | Feature<object, never, EventMap>;
type State = 'new' | 'starting' | 'running' | 'stopping';

// mitt's types declare the default export of a CommonJS module; under Node's ESM it is the function itself.
const mitt = mittModule as unknown as () => Emitter<LifecycleEvents>;

/** Makes a kernel. Add plugins with `use`, then `start` it. Give the events as a type argument to have them typed. */
export const createKernel = <Events extends EventMap = EventMap>(options: KernelOptions): Kernel<object, Events> =>
  new KernelCore(options) as unknown as Kernel<object, Events>;

class KernelCore {
  readonly service: string;
  readonly #options: KernelOptions;
  readonly #logger: Logger;
  readonly #codec: Codec;
  readonly #emitter = mitt();
  readonly #publisher: Publisher;
  readonly #consumption: Consumption;
  readonly #transports = new Map<string, Transport>();
  readonly #features = new Map<string, Feature>();
  readonly #middlewares: Middleware[] = [];
  readonly #startTasks: (() => Awaitable<void>)[] = [];
  readonly #stopTasks: ((deadline: number) => Awaitable<void>)[] = [];
  #state: State = 'new';
  #stopping: Promise<StopReport> | undefined;

  constructor(options: KernelOptions) {
    const { service, originPrefix, logger = consoleLogger, codec = jsonCodec(), propagate = true } = options ?? {};
    if (typeof service !== 'string' || !/^[\w.-]{1,128}$/.test(service))
      throw new EventsError('EVENTS_CONFIG', '`service` must name this service: letters, digits, . - and _.');
    this.service = service;
    this.#options = options;
    this.#logger = logger;
    this.#codec = codec;
    const context = createContext(propagate);
    const topics = options.topics ?? firstSegment;
    this.#publisher = new Publisher({
      source: { service, originPrefix, codec, ids: createIds() },
      context,
      topics,
      emit: this.#emit,
      knows: (transport) => this.#transports.has(transport),
    });
    this.#consumption = new Consumption({
      ...options,
      codec,
      context,
      topics,
      logger,
      emit: this.#emit,
      transport: (name) => this.#transport(name),
    });
  }

  use(plugin: Plugin): this {
    if (this.#state !== 'new')
      throw new EventsError('EVENTS_CONFIG', `use(${plugin.name}) came after start(): use all plugins first.`);
    if (plugin.kind === 'transport') this.#unique(this.#transports, 'transport', plugin);
    else if (plugin.kind === 'middleware') this.#middlewares.push(plugin);
    else {
      this.#unique(this.#features, 'feature', plugin as unknown as Feature);
      const api = plugin.setup(this.#host(plugin as unknown as Feature) as Host<never>);
      for (const name of Object.keys(api ?? {}))
        if (name in this) throw new EventsError('EVENTS_DUPLICATE_NAME', `${plugin.name} gives \`${name}\`, which is there already.`);
      Object.assign(this, api);
    }
    return this;
  }

  async start(): Promise<this> {
    if (this.#state !== 'new')
      throw new EventsError('EVENTS_CONFIG', `start() was called on a kernel that is ${this.#state}.`);
    const [first] = this.#transports.keys();
    if (first === undefined)
      throw new EventsError('EVENTS_NO_TRANSPORT', 'There is no transport: use(memory()) or another one before start().');
    for (const feature of this.#features.values()) this.#require(feature);
    this.#state = 'starting';
    try {
      for (const transport of this.#transports.values())
        await transport.open({ service: this.service, logger: this.#logger, emit: this.#emit });
      this.#publisher.defaultTransport = first;
      this.#publisher.path = compose(
        PUBLISH_STAGES.flatMap((stage) =>
          this.#middlewares.flatMap(({ publish }) => (publish?.stage === stage ? [publish.layer] : [])),
        ),
        this.#toTransports(),
      );
      this.#consumption.compose(this.#middlewares);
      for (const task of this.#startTasks) await task();
      await this.#consumption.start();
      this.#state = 'running';
      this.#emit('started', { service: this.service });
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
    return this;
  }

  stop(timeoutMs = this.#options.stopTimeoutMs ?? 10_000): Promise<StopReport> {
    if (this.#state === 'new') return Promise.resolve({ unsettled: 0, unpublished: 0 });
    this.#stopping ??= this.#stop(Date.now() + timeoutMs).finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop().then(() => {});
  }

  publish(type: string, body: unknown, options?: PublishOptions): Promise<Envelope> {
    return this.#publisher.publish(type, body, options);
  }

  publishBatch(events: readonly BatchEvent[]): Promise<readonly Envelope[]> {
    return this.#publisher.publishBatch(events);
  }

  subscribe(pattern: string, handler: Handler, options?: SubscribeOptions): Promise<Subscription> {
    return this.#consumption.subscribe(pattern, handler, options);
  }

  on<K extends keyof LifecycleEvents>(type: K, listener: (event: LifecycleEvents[K]) => void): () => void {
    // mitt stops at a listener that throws; the others must hear of it all the same.
    const safe = (event: LifecycleEvents[K]): void => {
      try {
        listener(event);
      } catch (reason) {
        this.#logger.error({ reason, type }, 'A lifecycle listener threw.');
      }
    };
    this.#emitter.on(type, safe);
    return () => this.#emitter.off(type, safe);
  }

  async health(): Promise<Health> {
    const problems: { source: string; problem: string }[] = [];
    if (this.#state !== 'running') problems.push({ source: 'kernel', problem: `not running (${this.#state})` });
    else {
      problems.push(...this.#consumption.stalls());
      for (const [source, transport] of this.#transports) {
        let found: readonly string[] = ['gave no answer on its health within 2 s'];
        const ask = async (): Promise<void> => {
          found = (await transport.health?.()) ?? [];
        };
        await within(ask(), Date.now() + 2000).catch((thrown) => {
          found = [`could not tell its health: ${thrown instanceof Error ? thrown.message : 'unknown'}`];
        });
        problems.push(...found.map((problem) => ({ source, problem })));
      }
    }
    return { healthy: problems.length === 0, problems };
  }

  stats(): Stats {
    const { published, failed: publishFailed, pending: publishing } = this.#publisher;
    return { published, publishFailed, publishing, ...this.#consumption.stats() };
  }

  async #stop(deadline: number): Promise<StopReport> {
    this.#state = 'stopping';
    const quietly = (what: string, work: Promise<unknown>): Promise<boolean> =>
      within(work, deadline).catch((reason) => {
        this.#logger.error({ reason }, `${what} failed while stopping.`);
        return false;
      });
    const unsettled = await this.#consumption.stop(deadline, quietly);
    await quietly('Publishing', this.#publisher.idle());
    for (const task of this.#stopTasks.toReversed()) await quietly('A feature', (async () => task(deadline))());
    this.#publisher.path = undefined;
    await Promise.all(
      [...this.#transports.values()].map((transport) => quietly(transport.name, transport.close(deadline))),
    );
    const report = { unsettled, unpublished: this.#publisher.pending };
    this.#state = 'new';
    this.#emit('stopped', { service: this.service, ...report });
    return report;
  }

  readonly #emit = <K extends keyof LifecycleEvents>(type: K, event: LifecycleEvents[K]): void => {
    this.#emitter.emit(type, event);
  };

  #transport(name?: string): Transport {
    const found = name === undefined ? this.#transports.values().next().value : this.#transports.get(name);
    if (!found)
      throw new EventsError(
        'EVENTS_NO_TRANSPORT',
        name === undefined
          ? 'There is no transport: use(memory()) or another one first.'
          : `There is no transport ${JSON.stringify(name)}. There is: ${[...this.#transports.keys()].join(', ')}.`,
      );
    return found;
  }

  #unique<T extends { readonly name: string }>(known: Map<string, T>, kind: string, plugin: T): void {
    if (known.has(plugin.name))
      throw new EventsError('EVENTS_DUPLICATE_NAME', `There is a ${kind} named ${plugin.name} already: give one another name.`);
    known.set(plugin.name, plugin);
  }

  #require(feature: Feature): void {
    const transport = this.#transport(feature.transport);
    for (const capability of feature.requires ?? []) {
      if (transport.capabilities[capability] !== undefined) continue;
      const able = [...this.#transports.values()].filter((other) => other.capabilities[capability] !== undefined);
      throw new EventsError(
        'EVENTS_MISSING_CAPABILITY',
        `${feature.name} needs \`${capability}\`, which ${transport.name} does not offer. ${
          able.length > 0 ? `Offered by: ${able.map((other) => other.name).join(', ')}.` : 'memory and redis-streams offer it.'
        }`,
      );
    }
  }

  #host(feature: Feature): Host {
    return {
      service: this.service,
      originPrefix: this.#options.originPrefix,
      logger: this.#logger,
      codec: this.#codec,
      transport: () => this.#transport(feature.transport),
      transports: () => [...this.#transports.values()],
      publish: (type, body, options) => this.#publisher.publish(type, body, options),
      consume: (handler, group) => this.#consumption.through(handler, group),
      emit: this.#emit,
      on: (type, listener) => this.on(type, listener),
      use: (middleware) => this.use(middleware),
      onStart: (task) => this.#startTasks.push(task),
      onStop: (task) => this.#stopTasks.push(task),
    };
  }

  /** The end of the publish path: each event to its transport. */
  #toTransports(): Path<OutgoingEvent> {
    const [only, another] = this.#transports.values();
    if (only && !another) return only.publish;
    return (batch, settle) => {
      const byTransport = new Map<string, OutgoingEvent[]>();
      for (const event of batch) {
        const events = byTransport.get(event.transport);
        if (events) events.push(event);
        else byTransport.set(event.transport, [event]);
      }
      for (const [name, events] of byTransport) this.#transport(name).publish(events, settle);
    };
  }
}
