import type { GroupState } from '@logistically/events-kernel';
import type { Consumer } from './consumer.ts';
import { MemoryDelivery } from './delivery.ts';
import type { Task } from './dispatcher.ts';
import type { Entry } from './entry.ts';
import type { Partition, Shared } from './partition.ts';
import { Window } from './window.ts';

const MAX_REDELIVER_MS = 30_000;
/** How many events that come one by one go to the same consumer while it has free slots: to change for each costs more than it does good. */
const TURN = 16;
/** How long events may wait for a consumer before that is a problem. */
const WAIT_MS = 60_000;

/** A group on a partition: what it was given, what of that it has not settled, and who consumes for it. */
export class Group implements Task {
  readonly name: string;
  readonly partition: Partition;
  queued = false;
  /** By offset, from the first that is not settled to the position. What is settled in between is undefined. */
  readonly #pending: Window<MemoryDelivery | undefined>;
  /** Failed or handed back, and due again. */
  readonly #again = new Window<MemoryDelivery>();
  readonly #consumers: Consumer[] = [];
  readonly #shared: Shared;
  /** Index of the consumer whose turn it is, and for how many events more. */
  #turn = 0;
  #stay = 0;
  #newFirst = false;
  #unsettled = 0;
  #delayed = 0;

  constructor(name: string, partition: Partition, position: number, shared: Shared) {
    this.name = name;
    this.partition = partition;
    this.#pending = new Window(position);
    this.#shared = shared;
  }

  /** Offset of the first entry that is not settled. */
  get floor(): number {
    return this.#pending.start;
  }

  /** Stored and not yet delivered. */
  get lag(): number {
    return this.partition.log.end - this.#pending.end;
  }

  get state(): GroupState {
    const consumers = this.#consumers.map((consumer) => ({
      consumer: consumer.name,
      pending: this.#heldBy(consumer).length,
      idleMs: Date.now() - consumer.seen,
    }));
    return { group: this.name, lag: this.lag, pending: this.#unsettled, delayed: this.#delayed, consumers };
  }

  /** Nobody consumes what has waited for a minute. */
  get problem(): string | undefined {
    const { topic, number, log } = this.partition;
    const oldest = log.at(this.floor);
    if (!oldest || this.#consumers.length > 0 || Date.now() - oldest.time < WAIT_MS) return undefined;
    return `group ${this.name} has ${this.lag + this.#unsettled} events waiting in ${topic}/${number} and no consumer`;
  }

  join(consumer: Consumer): void {
    this.#consumers.push(consumer);
    this.#shared.dispatcher.add(this);
  }

  leave(consumer: Consumer): void {
    const index = this.#consumers.indexOf(consumer);
    if (index >= 0) this.#consumers.splice(index, 1);
  }

  /** Hands out one batch, to the consumer whose turn it is. */
  run(): void {
    this.#skip();
    const due = this.lag + this.#again.length;
    if (due === 0) return;
    const consumer = this.#next(due);
    if (!consumer) {
      for (const busy of this.#consumers) busy.behind.add(this);
      return;
    }
    const count = Math.min(consumer.free, Math.ceil(due / this.#consumers.length));
    const batch = [this.#take(consumer)];
    for (this.#skip(); batch.length < count && this.lag + this.#again.length > 0; this.#skip())
      batch.push(this.#take(consumer));
    if (this.lag + this.#again.length > 0) this.#shared.dispatcher.add(this);
    consumer.deliver(batch);
  }

  /** Without a reason it is done; with one it comes back after the reason's `retryAfterMs`, or the back-off. */
  settle(delivery: MemoryDelivery, reason: unknown): void {
    // A handoff has acknowledged it already.
    if (this.#pending.at(delivery.offset) !== delivery) return;
    if (reason === undefined) {
      this.#done(delivery.offset);
      return;
    }
    const { alarms, dispatcher, redeliverMs } = this.#shared;
    const { retryAfterMs, uncounted } = Object(reason) as {
      readonly retryAfterMs?: unknown;
      readonly uncounted?: unknown;
    };
    delivery.uncounted = uncounted === true;
    const backOff = Math.min(redeliverMs * 2 ** (delivery.attempt - 1), MAX_REDELIVER_MS);
    this.#delayed++;
    alarms.set(Date.now() + (Number.isFinite(retryAfterMs) ? Number(retryAfterMs) : backOff), () => {
      this.#delayed--;
      this.#again.push(delivery);
      dispatcher.add(this);
      dispatcher.run();
    });
  }

  /** Acknowledges a delivery before it is settled. False when its consumer has it no longer. */
  acknowledge(delivery: MemoryDelivery): boolean {
    const held = delivery.holder !== undefined && this.#pending.at(delivery.offset) === delivery;
    if (held) this.#done(delivery.offset);
    return held;
  }

  /** Takes back what a consumer has not settled; the others get it. */
  handBack(consumer: Consumer): void {
    for (const delivery of this.#heldBy(consumer)) {
      delivery.holder = undefined;
      delivery.uncounted = !delivery.tried;
      this.#again.push(delivery);
    }
    this.#shared.dispatcher.add(this);
  }

  #next(due: number): Consumer | undefined {
    const current = this.#consumers[this.#turn];
    if (due === 1 && this.#stay-- > 0 && current && current.free > 0) return current;
    this.#stay = TURN;
    for (let tried = 0; tried < this.#consumers.length; tried++) {
      this.#turn = (this.#turn + 1) % this.#consumers.length;
      const consumer = this.#consumers[this.#turn] as Consumer;
      if (consumer.free > 0) return consumer;
    }
    return undefined;
  }

  #take(holder: Consumer): MemoryDelivery {
    // In turn: neither what comes back nor what is new waits for all of the other.
    this.#newFirst = !this.#newFirst;
    const last = this.#newFirst && this.lag > 0 ? undefined : this.#again.shift();
    if (last) {
      const delivery = new MemoryDelivery(
        this,
        last.offset,
        last.entry,
        last.attempt + (last.uncounted ? 0 : 1),
        holder,
      );
      this.#pending.set(last.offset, delivery);
      return delivery;
    }
    const offset = this.#pending.end;
    const delivery = new MemoryDelivery(this, offset, this.partition.log.at(offset) as Entry, 1, holder);
    this.#pending.push(delivery);
    this.#unsettled++;
    return delivery;
  }

  #done(offset: number): void {
    this.#unsettled--;
    this.#pending.set(offset, undefined);
    this.#advance();
    this.partition.trim();
  }

  /** Passes over entries that were removed before anybody was given them. */
  #skip(): void {
    while (this.partition.log.at(this.#pending.end)?.removed) {
      this.#pending.push(undefined);
      this.#advance();
    }
  }

  #advance(): void {
    const pending = this.#pending;
    while (pending.length > 0 && pending.at(pending.start) === undefined) pending.shift();
  }

  #heldBy(consumer: Consumer): MemoryDelivery[] {
    const held: MemoryDelivery[] = [];
    for (let offset = this.#pending.start; offset < this.#pending.end; offset++) {
      const delivery = this.#pending.at(offset);
      if (delivery?.holder === consumer) held.push(delivery);
    }
    return held;
  }
}
