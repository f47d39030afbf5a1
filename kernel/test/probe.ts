import {
  type Capabilities,
  createKernel,
  Delivery,
  type EventMap,
  type Kernel,
  type KernelOptions,
  type Logger,
  type OutgoingEvent,
  type Path,
  type Payload,
  type Settle,
  type Transport,
  type TransportConsumer,
  type TransportHost,
  type TransportSubscription,
} from '../src/index.ts';

interface Opened {
  readonly subscription: TransportSubscription;
  readonly deliver: Path<Delivery>;
  readonly calls: string[];
}

interface Arrival {
  readonly payload?: Payload;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly attempt?: number;
  readonly cursor?: string;
  /** Which subscription it comes by. Default: the first. */
  readonly by?: number;
}

/**
 * A transport in the hands of a test: keeps what is published, delivers what it is told to, and may be held up at every step.
 * It is a class on purpose: the kernel must call its methods as methods.
 */
export class Probe implements Transport {
  readonly kind = 'transport';
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly calls: string[] = [];
  readonly published: OutgoingEvent[] = [];
  readonly subscriptions: Opened[] = [];
  readonly reasons = new Map<Delivery, unknown>();
  host: TransportHost | undefined;
  /** What happens to a batch; default: each event is confirmed at once. */
  onPublish: Path<OutgoingEvent> = (batch, settle) => {
    for (const event of batch) settle(event);
  };
  /** Awaited in `open`, `subscribe`, the consumer's `stop` and `close`, and `close`. */
  before: Partial<Record<'open' | 'subscribe' | 'stop' | 'release' | 'close', () => Promise<void>>> = {};
  problems: readonly string[] = [];
  /** Called as a delivery is settled, before anybody else. */
  onSettled: (delivery: Delivery) => void = () => {};
  #cursors = 0;
  readonly #waiting = new Map<Delivery, (reason: unknown) => void>();

  constructor(name = 'probe', capabilities: Capabilities = { groups: true }) {
    this.name = name;
    this.capabilities = capabilities;
  }

  async open(host: TransportHost): Promise<void> {
    this.calls.push('open');
    this.host = host;
    await this.before.open?.();
  }

  publish(batch: readonly OutgoingEvent[], settle: Settle<OutgoingEvent>): void {
    this.published.push(...batch);
    this.onPublish(batch, settle);
  }

  async subscribe(subscription: TransportSubscription, deliver: Path<Delivery>): Promise<TransportConsumer> {
    const opened: Opened = { subscription, deliver, calls: [] };
    this.subscriptions.push(opened);
    await this.before.subscribe?.();
    return {
      stop: async () => {
        opened.calls.push('stop');
        await this.before.stop?.();
      },
      close: async () => {
        opened.calls.push('close');
        await this.before.release?.();
      },
    };
  }

  async health(): Promise<readonly string[]> {
    return this.problems;
  }

  async close(): Promise<void> {
    this.calls.push('close');
    await this.before.close?.();
  }

  /** Delivers one event of a type. */
  deliver(type: string, body: unknown, arrival: Arrival = {}): Delivery {
    return this.deliverAll([[type, body, arrival]], arrival.by)[0] as Delivery;
  }

  /** Delivers events as one batch. */
  deliverAll(events: readonly (readonly [type: string, body: unknown, arrival?: Arrival])[], by = 0): Delivery[] {
    const batch = events.map(([type, body, { payload, header, attempt = 1, cursor = `${++this.#cursors}` } = {}]) => {
      const fields = {
        id: `id-${cursor}`,
        type,
        origin: 'elsewhere',
        timestamp: '2025-01-01T00:00:00.000Z',
        ...header,
      };
      return new Delivery('topic', 0, cursor, attempt, payload ?? JSON.stringify({ header: fields, body }));
    });
    this.subscriptions[by]?.deliver(batch, (delivery, reason) => {
      if (this.reasons.has(delivery)) throw new Error('the kernel settled a delivery twice');
      this.reasons.set(delivery, reason);
      this.onSettled(delivery);
      this.#waiting.get(delivery)?.(reason);
    });
    return batch;
  }

  /** Resolves with the reason that a delivery was settled with; undefined when it is done. */
  settled(delivery: Delivery): Promise<unknown> {
    if (this.reasons.has(delivery)) return Promise.resolve(this.reasons.get(delivery));
    return new Promise((resolve) => this.#waiting.set(delivery, resolve));
  }
}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A kernel on a probe, started. */
export const startProbe = async (
  options: Partial<KernelOptions> = {},
  probe = new Probe(),
): Promise<{ kernel: Kernel<Capabilities, EventMap>; probe: Probe }> => {
  const kernel = createKernel({ service: 'shop', logger: silent, ...options }).use(probe);
  await kernel.start();
  return { kernel, probe };
};

/** A promise and what settles it. */
export const deferred = <T = void>() => {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
};

export const never = (): Promise<void> => new Promise(() => {});
