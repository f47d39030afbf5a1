import type { Codec } from './codec.ts';
import type { SubscribeOptions, Subscription } from './consumption.ts';
import type { Envelope } from './envelope.ts';
import type { EventMap, EventOf, Handler, Widened } from './event-map.ts';
import type { Feature } from './feature.ts';
import type { On } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { Middleware } from './middleware.ts';
import type { BatchEvent, PublishOptions } from './publisher.ts';
import type { TopicStrategy } from './topic.ts';
import type { Capabilities, Transport } from './transport.ts';

export interface KernelOptions {
  /** Names this service: origin of what it publishes, and the group of its subscriptions. */
  readonly service: string;
  /** Region or tenant, `eu.de`. A consumer sees its own and what lies below it. */
  readonly originPrefix?: string;
  /** Further prefixes that this service sees; `'*'` opens it to all. */
  readonly origins?: readonly string[] | '*';
  /** Which topic a type goes to. Default: its first segment + `-events`. */
  readonly topics?: TopicStrategy;
  /** Default: JSON. */
  readonly codec?: Codec;
  /** Default: warnings and errors to the console. */
  readonly logger?: Logger;
  /** Whether what a handler publishes carries on correlation and causation by itself. Default true. */
  readonly propagate?: boolean;
  /** How long `start` may take, and a `subscribe` after it, in ms. Default 30 000. */
  readonly startTimeoutMs?: number;
  /** How long `stop` may take, in ms. Default 10 000. */
  readonly stopTimeoutMs?: number;
  /** Deliveries of a subscription in flight with none settled for so long are a stall, in ms. Default 60 000. */
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

/** What a feature that needs more than there is must be: so the compiler's message names what is missing. */
type Missing<Can, Needs> = Can extends Needs
  ? unknown
  : { readonly 'needs a transport with the capability': Exclude<keyof Needs, keyof Can> };

/** What a service does with a kernel once it is put together: the type to pass around. Every kernel of those events is one. */
export interface EventBus<Events = EventMap> extends AsyncDisposable {
  readonly service: string;
  /** Opens transports, then features, then subscriptions. On failure everything is closed again. */
  start(): Promise<this>;
  /**
   * Stops reading, lets handlers finish, hands back what is left, flushes, closes. Ends by its deadline (ms) whatever the broker
   * does, and reports what could not be finished. It can be started again.
   */
  stop(timeoutMs?: number): Promise<StopReport>;
  /** Resolves with the envelope when the broker has confirmed the event, rejects when it has not by the transport's deadline. */
  publish<K extends keyof Events & string>(
    type: K,
    body: Events[K],
    options?: PublishOptions,
  ): Promise<Envelope<K, Events[K]>>;
  /** Publishes many at once, each with its own fate: rejects with a `PublishError` that lists what failed. */
  publishBatch<K extends keyof Events & string>(
    events: readonly { [T in K]: BatchEvent<T, Events[T]> }[K][],
  ): Promise<readonly Envelope[]>;
  /**
   * Calls `handler` for the events that a pattern takes. Resolves when nothing published from now on can be missed; before
   * `start` it resolves at once, and `start` opens it.
   */
  subscribe<const P extends string>(
    pattern: P,
    handler: Handler<EventOf<Events, P>>,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  /** Listens to lifecycle events, to all with `'*'`; returns what ends it. */
  readonly on: On;
  health(): Promise<Health>;
  stats(): Stats;
}

/** What a kernel is before plugins widen it. */
export interface KernelBase<Can extends Capabilities, Events, Api extends object> extends EventBus<Events> {
  /** Adds a plugin and returns the kernel, widened by what the plugin gives. Before `start`. */
  use<More extends Capabilities>(transport: Transport<More>): Kernel<Can & More, Events, Api>;
  use(middleware: Middleware): Kernel<Can, Events, Api>;
  use<Adds extends object, Needs extends Capabilities, More = never>(
    feature: Feature<Adds, Needs, More> & Missing<Can, Needs>,
  ): Kernel<Can, Widened<Events, More>, Api & Adds>;
}

export type Kernel<Can extends Capabilities = object, Events = EventMap, Api extends object = object> = KernelBase<
  Can,
  Events,
  Api
> &
  Api;
