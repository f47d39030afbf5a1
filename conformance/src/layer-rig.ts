import {
  type Awaitable,
  asReason,
  CONSUME_STAGES,
  compose,
  createKernel,
  Delivery,
  EventsError,
  type Feature,
  jsonCodec,
  type Kernel,
  type Layer,
  type Middleware,
  type OutgoingEvent,
  type Path,
  PUBLISH_STAGES,
  type Transport,
} from '@logistically/events-kernel';
import type { TransportFactory } from './handle.ts';
import { outgoingEvents } from './outgoing.ts';
import type { Plugin } from './plugin.ts';
import { until } from './until.ts';

/** What passes through a layer: an event on its way out, or a delivery. */
export type Passing = OutgoingEvent | Delivery;
export type Side = 'publish' | 'consume';

/** What became of the events that were given to a path. */
export class Outcome {
  /** Every reason that each event was settled with, in order. */
  readonly settlements: Map<Passing, unknown[]>;
  /** Settled, and not of this batch. */
  readonly strangers: unknown[] = [];
  readonly #thrownOut = new Set<Passing>();

  constructor(batch: readonly Passing[]) {
    this.settlements = new Map(batch.map((event) => [event, []]));
  }

  readonly settle = (event: Passing, reason?: unknown): void => {
    const settled = this.settlements.get(event);
    if (!settled) this.strangers.push(event);
    else if (!this.#thrownOut.has(event)) settled.push(reason);
  };

  /** Settles what is open for a path that has thrown. Of those events nothing more is heard, as in the kernel. */
  throwOut(thrown: unknown): void {
    for (const event of this.open) {
      this.settle(event, asReason(thrown));
      this.#thrownOut.add(event);
    }
  }

  /** The events that nobody has settled yet. */
  get open(): Passing[] {
    return [...this.settlements].filter(([, reasons]) => reasons.length === 0).map(([event]) => event);
  }
}

const TYPE = 'conformance.happened';
const WORN: Path<OutgoingEvent> = (batch, settle) => {
  for (const event of batch) settle(event);
};

/** What tells an event from others however often it is copied. */
export const identityOf = (event: Passing): string => ('cursor' in event ? event.cursor : event.header.id);

/** One side of a middleware, or of all the middleware that a feature adds, with events to send through it. */
export class LayerRig {
  readonly side: Side;
  readonly timeoutMs: number;
  readonly #layers: readonly Layer<Passing>[];
  readonly #publishLayers: readonly Layer<OutgoingEvent>[];
  readonly #beforeDecode: boolean;
  readonly #kernel: Kernel;
  readonly #deliver: (count: readonly Delivery[]) => readonly Delivery[];
  #count = 0;

  private constructor(parts: {
    readonly side: Side;
    readonly timeoutMs: number;
    readonly middlewares: readonly Middleware[];
    readonly kernel: Kernel;
    readonly deliver: (deliveries: readonly Delivery[]) => readonly Delivery[];
  }) {
    const { side, middlewares } = parts;
    this.side = side;
    this.timeoutMs = parts.timeoutMs;
    this.#kernel = parts.kernel;
    this.#deliver = parts.deliver;
    this.#publishLayers = PUBLISH_STAGES.flatMap((stage) =>
      middlewares.flatMap(({ publish }) => (publish?.stage === stage ? [publish.layer] : [])),
    );
    const consume = CONSUME_STAGES.flatMap((stage) => middlewares.filter((each) => each.consume?.stage === stage));
    const consumeLayers = consume.flatMap(({ consume }) => (consume ? [consume.layer] : []));
    // Layers are the same shape on both sides; a rig only ever sends one kind of event through them.
    this.#layers = (side === 'publish' ? this.#publishLayers : consumeLayers) as unknown as readonly Layer<Passing>[];
    const decode = CONSUME_STAGES.indexOf('decode');
    this.#beforeDecode = consume.some((each) => each.consume && CONSUME_STAGES.indexOf(each.consume.stage) <= decode);
  }

  /** A rig for a plugin, or undefined where the plugin has no layer on that side. */
  static async open(plugin: Plugin, side: Side, options: RigOptions): Promise<LayerRig | undefined> {
    const middlewares: Middleware[] = [];
    const deliveries: Delivery[] = [];
    let deliver: Path<Delivery> = () => {};
    const probe: Middleware = {
      kind: 'middleware',
      name: 'probe',
      // It keeps what comes: the rig sends it through the layers itself.
      consume: { stage: 'observe', layer: () => (batch) => void deliveries.push(...batch) },
    };
    const loop: Transport = {
      kind: 'transport',
      name: 'conformance',
      capabilities: {},
      open: async () => {},
      publish: WORN,
      subscribe: async (_, path) => {
        deliver = path;
        return { stop: async () => {}, close: async () => {} };
      },
      close: async () => {},
    };
    const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const kernel = createKernel({ service: 'conformance', logger: quiet });
    if (options.transport) kernel.use(await options.transport());
    kernel.use(loop).use(probe);
    if (plugin.kind === 'middleware') middlewares.push(plugin);
    else kernel.use(capturing(plugin, middlewares) as unknown as Middleware);
    await kernel.subscribe('*', () => {}, { transport: loop.name });
    await kernel.start();
    if (!middlewares.some((each) => each[side])) {
      await kernel.stop(0);
      return undefined;
    }
    const receive = (batch: readonly Delivery[]): readonly Delivery[] => {
      deliver(batch, () => {});
      return deliveries.splice(0);
    };
    return new LayerRig({ side, timeoutMs: options.timeoutMs, middlewares, kernel, deliver: receive });
  }

  /** The layers around `end`. */
  path(end: Path<Passing>): Path<Passing> {
    return compose(this.#layers, end);
  }

  /** So many events, each with a key of its own, in the state in which these layers meet them. */
  async events(count: number): Promise<readonly Passing[]> {
    const batch = Array.from({ length: count }, () => ({
      type: TYPE,
      body: { n: ++this.#count },
      key: `k${this.#count}`,
    }));
    const events = await outgoingEvents('conformance', batch);
    if (this.side === 'publish') return events;
    const payloads = await this.#encoded(events);
    const deliveries = payloads.map(
      (payload) => new Delivery('conformance-events', 0, String(++this.#count), 1, payload),
    );
    const received = this.#deliver(deliveries);
    if (!this.#beforeDecode) for (const delivery of received) delivery.envelope = jsonCodec().decode(delivery.payload);
    return received;
  }

  /** Sends a batch through a path as the kernel does: what a path throws is the reason of all that it has not settled. */
  run(path: Path<Passing>, batch: readonly Passing[], outcome = new Outcome(batch)): Outcome {
    try {
      path(batch, outcome.settle);
    } catch (thrown) {
      outcome.throwOut(thrown);
    }
    return outcome;
  }

  until(fact: () => Awaitable<boolean>, what: string | (() => string)): Promise<void> {
    return until(fact, this.timeoutMs, what);
  }

  async close(): Promise<void> {
    await this.#kernel.stop(0);
  }

  /** What the publish side of the same plugin makes of the payloads: its consume side may want to undo it. */
  async #encoded(events: readonly OutgoingEvent[]): Promise<readonly (string | Uint8Array)[]> {
    const sent = new Map<string, OutgoingEvent>();
    let settled = 0;
    const end: Path<OutgoingEvent> = (batch, settle) => {
      for (const event of batch) sent.set(event.header.id, event);
      for (const event of batch) settle(event);
    };
    compose(this.#publishLayers, end)(events, () => settled++);
    await this.until(() => settled >= events.length, 'the publish side of the plugin settles its events');
    return events.map((event) => (sent.get(event.header.id) ?? event).payload);
  }
}

interface RigOptions {
  /** For a feature that requires capabilities. */
  readonly transport?: TransportFactory;
  readonly timeoutMs: number;
}

/** The feature as it is, but the middleware that it adds is kept for the rig. */
const capturing = (feature: Exclude<Plugin, Middleware>, middlewares: Middleware[]): Feature =>
  ({
    ...feature,
    setup: (host: Parameters<Feature['setup']>[0]) => {
      const own = { ...host, use: (middleware: Middleware) => void middlewares.push(middleware) };
      return (feature as unknown as Feature).setup(own);
    },
  }) as Feature;

/** A failure as a handler or a broker has them. */
export const failure = (): EventsError =>
  new EventsError('EVENTS_CONFORMANCE_FAILURE', 'It fails, as the law wants it.');
