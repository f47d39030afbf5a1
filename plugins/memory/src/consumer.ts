import { asReason, type Delivery, type Path, type Settle, type TransportConsumer } from '@logistically/events-kernel';
import type { MemoryDelivery } from './delivery.ts';
import type { Dispatcher, Task } from './dispatcher.ts';
import type { Group } from './group.ts';

/** An open subscription: takes deliveries of its groups while it has free slots. */
export class Consumer implements TransportConsumer, Task {
  readonly name: string;
  queued = false;
  /** How many more deliveries it may have unsettled. */
  free: number;
  /** Groups that had something to deliver when it had no free slot. */
  readonly behind = new Set<Group>();
  /** When it last took or settled something, ms since the epoch. */
  seen = Date.now();
  readonly #path: Path<Delivery>;
  readonly #dispatcher: Dispatcher;
  readonly #onClose: (consumer: Consumer) => void;
  readonly #groups: Group[] = [];
  #stopped = false;

  constructor(
    name: string,
    concurrency: number,
    path: Path<Delivery>,
    dispatcher: Dispatcher,
    onClose: (consumer: Consumer) => void,
  ) {
    this.name = name;
    this.free = concurrency;
    this.#path = path;
    this.#dispatcher = dispatcher;
    this.#onClose = onClose;
  }

  join(group: Group): void {
    if (this.#stopped) return;
    this.#groups.push(group);
    group.join(this);
  }

  deliver(batch: readonly MemoryDelivery[]): void {
    this.free -= batch.length;
    this.seen = this.#dispatcher.now;
    try {
      this.#path(batch, this.#settle);
    } catch (thrown) {
      for (const delivery of batch) this.#settle(delivery, asReason(thrown));
    }
  }

  /** Slots are free again: lets the groups that wait for one deliver. */
  run(): void {
    for (const group of this.behind) {
      if (this.free === 0) return;
      this.behind.delete(group);
      group.run();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const group of this.#groups) group.leave(this);
  }

  async close(): Promise<void> {
    await this.stop();
    for (const group of this.#groups.splice(0)) group.handBack(this);
    this.#onClose(this);
    this.#dispatcher.run();
  }

  readonly #settle: Settle<Delivery> = (settled, reason) => {
    const delivery = settled as MemoryDelivery;
    if (delivery.holder !== this) return;
    delivery.holder = undefined;
    this.free++;
    delivery.home.settle(delivery, reason);
    if (this.behind.size > 0) this.#dispatcher.add(this);
    if (this.#dispatcher.busy) return;
    this.seen = Date.now();
    this.#dispatcher.run(this.seen);
  };
}
