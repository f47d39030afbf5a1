import type { Codec } from './codec.ts';
import type { Delivery, Envelope, EventOptions } from './event.ts';
import type { LifecycleEvents } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { Middleware } from './middleware.ts';
import type { Awaitable, Path } from './path.ts';
import type { Capabilities, Transport } from './transport.ts';

/** The body of every event type, by type. */
export type EventMap = Record<string, unknown>;

/**
 * Adds to a kernel: middleware, work at start and stop, and an API of its own. `Needs` are the capabilities that the transport
 * must offer, in types and (`requires`) in fact. `Events` types the events from here on.
 */
export interface Feature<out Api extends object = object, in Needs extends Capabilities = object, out Events extends EventMap = never> {
  readonly kind: 'feature';
  readonly name: string;
  readonly requires?: readonly (keyof Needs & keyof Capabilities)[];
  /** The transport that must offer what is required. Default: the first one used. */
  readonly transport?: string;
  /** Called by `use`. What it returns becomes part of the kernel. */
  readonly setup: (host: Host<Needs>) => Api;
  /** Types only, never present. */
  readonly events?: Events;
}

/** What a feature works with. Transports are there from `onStart` on. */
export interface Host<out Can extends Capabilities = Capabilities> {
  readonly service: string;
  readonly originPrefix: string | undefined;
  readonly logger: Logger;
  readonly codec: Codec;
  /** The transport that offers what the feature requires. Throws before `start`. */
  readonly transport: () => Transport<Can>;
  readonly transports: () => readonly Transport[];
  /** Publishes through the whole publish path. */
  readonly publish: (type: string, body: unknown, options?: EventOptions) => Promise<Envelope>;
  /** The whole consume path, for deliveries that come from elsewhere than a subscription: a replay, a redrive. */
  readonly consume: (handler: (event: Envelope, delivery: Delivery) => unknown, group: string) => Path<Delivery>;
  readonly emit: <K extends keyof LifecycleEvents>(type: K, event: LifecycleEvents[K]) => void;
  readonly on: <K extends keyof LifecycleEvents>(type: K, listener: (event: LifecycleEvents[K]) => void) => () => void;
  readonly use: (middleware: Middleware) => void;
  /** After the transports are open, before any subscription is. */
  readonly onStart: (task: () => Awaitable<void>) => void;
  /** After the last delivery was settled, before the transports close. `deadline`: ms since the epoch. */
  readonly onStop: (task: (deadline: number) => Awaitable<void>) => void;
}
