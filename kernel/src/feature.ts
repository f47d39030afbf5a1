import type { Codec } from './codec.ts';
import type { Delivery } from './delivery.ts';
import type { Envelope } from './envelope.ts';
import type { EventBus } from './kernel.ts';
import type { Emit, On } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { Middleware } from './middleware.ts';
import type { EventOptions, OutgoingEvent } from './outgoing-event.ts';
import type { Awaitable, Path } from './path.ts';
import type { Capabilities, Transport } from './transport.ts';

/**
 * Adds to a kernel: middleware, work at start and stop, and an API of its own. `Needs` are the capabilities that a transport
 * must offer, in types and (`requires`) in fact. `Events` types the events from here on.
 */
export interface Feature<out Api extends object = object, in Needs extends Capabilities = object, out Events = never> {
  readonly kind: 'feature';
  readonly name: string;
  readonly requires?: readonly (keyof Needs & keyof Capabilities)[];
  /** Name of the transport that must offer what is required. Default: the first one that does. */
  readonly transport?: string;
  /** Called by `use`. What it returns becomes part of the kernel. */
  readonly setup: (host: Host<Needs>) => Api;
  /** Types only, never present. */
  readonly events?: Events;
}

/** What a feature works with. */
export interface Host<out Can extends Capabilities = Capabilities> {
  readonly service: string;
  readonly originPrefix: string | undefined;
  /** The kernel as the service has it: subscribe, health, stats. */
  readonly kernel: EventBus;
  readonly logger: Logger;
  readonly codec: Codec;
  /** The transport that offers what the feature requires. From `start` on. */
  readonly transport: () => Transport<Can>;
  readonly transports: () => readonly Transport[];
  /** Publishes through the whole publish path. */
  readonly publish: (type: string, body: unknown, options?: EventOptions) => Promise<Envelope>;
  /** Makes an event as `publish` does and does not send it: for `delay.publishAt`, which then settles it. */
  readonly create: (type: string, body: unknown, options?: EventOptions) => OutgoingEvent;
  /** The whole consume path, for deliveries that come from elsewhere than a subscription: a replay, a redrive. */
  readonly consume: (handler: (event: Envelope, delivery: Delivery) => unknown, group: string) => Path<Delivery>;
  readonly emit: Emit;
  readonly on: On;
  readonly use: (middleware: Middleware) => void;
  /** Asked by `kernel.health()` while the transports are open: what is wrong right now, in words. Within 2 s. */
  readonly onHealth: (check: () => Awaitable<readonly string[]>) => void;
  /** After the transports are open, before any subscription is. */
  readonly onStart: (task: () => Awaitable<void>) => void;
  /** After all deliveries and publishes are settled, before the transports close. `deadline`: ms since the epoch. */
  readonly onStop: (task: (deadline: number) => Awaitable<void>) => void;
}
