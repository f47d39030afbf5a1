import {
  type BatchEvent,
  type Capabilities,
  type Codec,
  createKernel,
  type Envelope,
  EventsError,
  type From,
  type Kernel,
  type LifecycleEvents,
  type LogEntry,
  type Logger,
  type Middleware,
  type PublishOptions,
  type StopReport,
  type TopicStrategy,
  type Transport,
} from '@logistically/events-kernel';
import { type ArrivalHandler, Arrivals } from './arrivals.ts';
import type { Plugin } from './plugin.ts';
import { Tap } from './tap.ts';
import { bounded } from './until.ts';

export interface NodeOptions {
  readonly codec?: Codec;
  readonly topics?: TopicStrategy;
}

interface CollectOptions<Body> {
  readonly group?: string;
  readonly from?: From;
  readonly concurrency?: number;
  readonly partitions?: readonly number[];
  readonly handle?: ArrivalHandler<Body>;
}

interface NodeParts extends NodeOptions {
  readonly service: string;
  /** The transport as the factory made it. */
  readonly handle: Transport;
  /** What the kernel uses: the handle, or a view of it. */
  readonly transport: Transport;
  readonly through: readonly Plugin[];
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** A kernel with the transport under test: one process, as the broker sees it. Every wait is bounded. */
export class Node {
  readonly kernel: Kernel;
  /** The transport as the factory made it. */
  readonly handle: Transport;
  readonly tap = new Tap();
  /** What the transport told of itself, by lifecycle event. */
  readonly heard: { readonly [K in keyof LifecycleEvents]?: LifecycleEvents[K][] } = {};
  readonly #timeoutMs: number;

  constructor({ service, handle, transport, through, timeoutMs, logger, codec, topics }: NodeParts) {
    this.handle = handle;
    this.#timeoutMs = timeoutMs;
    const kernel = createKernel({ service, logger, ...(codec && { codec }), ...(topics && { topics }) });
    kernel.use(this.tap.transport(transport));
    // What a feature needs is checked at `start`: here no type knows what the transport can do.
    for (const plugin of through) kernel.use(plugin as Middleware);
    this.kernel = kernel;
    for (const type of ['undecodable', 'recovered', 'failed'] as const) this.#hear(type);
  }

  start(): Promise<unknown> {
    return bounded(this.kernel.start(), this.#timeoutMs, 'the transport opens');
  }

  publish(type: string, body: unknown, options?: PublishOptions): Promise<Envelope> {
    return bounded(this.kernel.publish(type, body, options), this.#timeoutMs, `a published ${type} is settled`);
  }

  publishBatch(events: readonly BatchEvent[]): Promise<readonly Envelope[]> {
    return bounded(this.kernel.publishBatch(events), this.#timeoutMs, `a batch of ${events.length} events is settled`);
  }

  /** Publishes events of one type with these bodies, as one batch. */
  publishAll(type: string, bodies: readonly unknown[]): Promise<readonly Envelope[]> {
    return this.publishBatch(bodies.map((body) => ({ type, body })));
  }

  /** Subscribes with a handler that writes down what it gets. */
  async collect<Body = unknown>(pattern: string, options: CollectOptions<Body> = {}): Promise<Arrivals<Body>> {
    const { handle = () => {}, ...others } = options;
    const arrivals = new Arrivals<Body>(handle);
    const subscribing = this.kernel.subscribe(pattern, arrivals.handler, others);
    const subscription = await bounded(subscribing, this.#timeoutMs, `the subscription to ${pattern} is open`);
    arrivals.unsubscribe = (timeoutMs = this.#timeoutMs) =>
      bounded(
        subscription.unsubscribe(timeoutMs),
        timeoutMs + this.#timeoutMs,
        `the subscription to ${pattern} is closed`,
      );
    return arrivals;
  }

  /** Stops the kernel, by default with time enough for handlers to finish. */
  stop(timeoutMs = this.#timeoutMs): Promise<StopReport> {
    return bounded(this.kernel.stop(timeoutMs), timeoutMs + this.#timeoutMs, 'the kernel stops');
  }

  /** A capability of this node's handle. */
  can<K extends keyof Capabilities>(name: K): NonNullable<Capabilities[K]> {
    const capability = this.handle.capabilities[name];
    if (capability === undefined)
      throw new EventsError('EVENTS_MISSING_CAPABILITY', `The handle does not offer ${name} any more.`);
    return capability;
  }

  /** What the topic holds, as far as one read shows it. */
  entries(topic: string, limit = 10_000): Promise<readonly LogEntry[]> {
    return this.can('log').read(topic, { from: 'earliest', limit });
  }

  #hear<K extends keyof LifecycleEvents>(type: K): void {
    const heard: LifecycleEvents[K][] = [];
    Object.assign(this.heard, { [type]: heard });
    this.kernel.on(type, (event) => heard.push(event));
  }
}
