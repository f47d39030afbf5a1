import type {
  Delivery,
  OutgoingEvent,
  Path,
  Transport,
  TransportConsumer,
  TransportSubscription,
} from '@logistically/events-kernel';

/** What passed between a transport and one of its subscriptions. */
class TappedSubscription {
  readonly subscription: TransportSubscription;
  readonly open = new Set<Delivery>();
  /** Deliveries, oldest first. */
  readonly deliveries: Delivery[] = [];
  /** The most that were unsettled at a time. */
  peak = 0;
  emptyBatches = 0;
  /** Delivered after `stop` had resolved. */
  afterStop = 0;
  stopped = false;
  /** Called right before what is unsettled is handed back. */
  onClose: () => void = () => {};

  constructor(subscription: TransportSubscription) {
    this.subscription = subscription;
  }

  deliver(batch: readonly Delivery[]): void {
    if (batch.length === 0) this.emptyBatches++;
    if (this.stopped) this.afterStop += batch.length;
    for (const delivery of batch) {
      this.deliveries.push(delivery);
      this.open.add(delivery);
    }
    this.peak = Math.max(this.peak, this.open.size);
  }
}

/** An event that was given to a transport, and every reason that it was settled with. */
interface TappedPublish {
  readonly event: OutgoingEvent;
  readonly settlements: unknown[];
}

/** Stands between a kernel and a transport and writes down what passes. */
export class Tap {
  readonly published: TappedPublish[] = [];
  /** Settled by the transport, and never given to it. */
  readonly strangers: unknown[] = [];
  readonly subscriptions: TappedSubscription[] = [];
  /** Calls with a deadline that have not come back yet. */
  readonly closing = new Set<string>();
  #calls = 0;

  /** The transport as the kernel sees it. */
  transport(inner: Transport): Transport {
    const { subscribe } = inner;
    const publish: Path<OutgoingEvent> = (batch, settle) => {
      const records = new Map(
        batch.map((event): [OutgoingEvent, TappedPublish] => [event, { event, settlements: [] }]),
      );
      this.published.push(...records.values());
      inner.publish(batch, (event, reason) => {
        const record = records.get(event);
        if (record) record.settlements.push(reason);
        else this.strangers.push(event);
        settle(event, reason);
      });
    };
    return {
      kind: 'transport',
      name: inner.name,
      capabilities: inner.capabilities,
      open: (host) => inner.open(host),
      publish,
      ...(subscribe && {
        subscribe: (subscription, deliver) => this.#subscribe(subscription, deliver, subscribe.bind(inner)),
      }),
      ...(inner.health && { health: inner.health.bind(inner) }),
      close: (deadline) => this.#timed('transport.close()', inner.close(deadline)),
    };
  }

  async #subscribe(
    subscription: TransportSubscription,
    deliver: Path<Delivery>,
    subscribe: NonNullable<Transport['subscribe']>,
  ): Promise<TransportConsumer> {
    const tapped = new TappedSubscription(subscription);
    this.subscriptions.push(tapped);
    const consumer = await subscribe(subscription, (batch, settle) => {
      tapped.deliver(batch);
      deliver(batch, (delivery, reason) => {
        tapped.open.delete(delivery);
        settle(delivery, reason);
      });
    });
    return {
      stop: async () => {
        await this.#timed('consumer.stop()', consumer.stop());
        tapped.stopped = true;
      },
      close: (deadline) => {
        tapped.onClose();
        return this.#timed('consumer.close()', consumer.close(deadline));
      },
    };
  }

  async #timed(call: string, work: Promise<void>): Promise<void> {
    const name = `${call} #${++this.#calls}`;
    this.closing.add(name);
    try {
      await work;
    } finally {
      this.closing.delete(name);
    }
  }
}
