import type { Delivery, Transport, TransportConsumer, TransportSubscription } from '@logistically/events-kernel';
import type { CaseContext } from './context.ts';

/** Deliveries that nobody settles but the case, straight from the transport. */
export class RawConsumer {
  readonly deliveries: Delivery[] = [];
  readonly #settles = new Map<Delivery, (reason?: unknown) => void>();
  #consumer: TransportConsumer | undefined;

  /** Subscribes to a topic on an open handle. */
  async open(
    handle: Transport,
    subscription: Partial<TransportSubscription> & { readonly group: string },
    topic: string,
  ): Promise<void> {
    this.#consumer = await handle.subscribe?.(
      { topics: [topic], from: 'latest', concurrency: 10, ...subscription },
      (batch, settle) => {
        for (const delivery of batch) {
          this.deliveries.push(delivery);
          this.#settles.set(delivery, (reason) => settle(delivery, reason));
        }
      },
    );
  }

  settle(delivery: Delivery, reason?: unknown): void {
    const settle = this.#settles.get(delivery);
    this.#settles.delete(delivery);
    settle?.(reason);
  }

  async stop(): Promise<void> {
    await this.#consumer?.stop();
  }

  /** Stops and hands back; more than once is once. */
  async close(deadline: number): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await consumer?.stop();
    await consumer?.close(deadline);
  }
}

/** A consumer without a kernel, closed when the case ends. */
export const rawConsumer = async (
  context: CaseContext,
  handle: Transport,
  subscription: Partial<TransportSubscription> & { readonly group: string },
  topic = context.topic,
): Promise<RawConsumer> => {
  const consumer = new RawConsumer();
  await consumer.open(handle, subscription, topic);
  context.defer(() => consumer.close(Date.now() + 200));
  return consumer;
};
