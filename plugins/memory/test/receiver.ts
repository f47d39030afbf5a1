import type { Delivery, Path, Transport, TransportConsumer, TransportSubscription } from '@logistically/events-kernel';

/** A consumer without a kernel: keeps what it is given, and settles what it is told to settle. */
export class Receiver {
  readonly batches: (readonly Delivery[])[] = [];
  consumer: TransportConsumer | undefined;
  #settle: (delivery: Delivery, reason?: unknown) => void = () => {};

  get deliveries(): Delivery[] {
    return this.batches.flat();
  }

  readonly path: Path<Delivery> = (batch, settle) => {
    this.batches.push(batch);
    this.#settle = settle;
  };

  settle(delivery: Delivery | undefined, reason?: unknown): void {
    if (!delivery) throw new Error('There is no such delivery.');
    this.#settle(delivery, reason);
  }

  async close(): Promise<void> {
    await this.consumer?.stop();
    await this.consumer?.close(Date.now() + 1000);
  }
}

/** Subscribes without a kernel: by default to `a-events` from its beginning, with 10 slots. */
export const receive = async (
  transport: Transport,
  group: string,
  subscription: Partial<TransportSubscription> = {},
): Promise<Receiver> => {
  const receiver = new Receiver();
  receiver.consumer = await transport.subscribe?.(
    { topics: ['a-events'], from: 'earliest', concurrency: 10, group, ...subscription },
    receiver.path,
  );
  return receiver;
};
