import { asReason, EventsError, type OutgoingEvent, type Settle } from '@logistically/events-kernel';
import type { Connection } from './connection.ts';
import { fieldOf, valueOf } from './entry.ts';
import { connectionLost, isConnectionError, replyError, timedOut } from './error.ts';
import { publishScript } from './script.ts';

/** The most entries of one round trip. */
const MAX_BATCH = 500;
/** The most bytes of one round trip, roughly: a larger one would hold up everybody else on the server. */
const MAX_BYTES = 1024 * 1024;
/** Round trips on the way at a time: one is being executed while the next travels. What comes meanwhile makes the next one larger. */
const MAX_FLIGHTS = 2;

interface OutboxOptions {
  readonly connection: Connection;
  /** How long an event may wait for its confirmation, in ms. */
  readonly timeoutMs: number;
  /** The most events that wait for a connection or a confirmation. */
  readonly maxBuffered: number;
  /** The stream of an event; throws when it cannot have one. */
  readonly streamOf: (event: OutgoingEvent) => string;
  readonly onStored: (stream: string, count: number) => void;
}

/** Events of one `publish` call, or what is left of them. */
interface Parcel {
  readonly events: readonly OutgoingEvent[];
  readonly settle: Settle<OutgoingEvent>;
  readonly since: number;
}

interface Item {
  readonly event: OutgoingEvent;
  readonly settle: Settle<OutgoingEvent>;
  readonly value: string;
  readonly since: number;
}

/** Entries of one stream and kind, for one round trip. */
interface Flight {
  readonly stream: string;
  readonly field: string;
  readonly items: Item[];
  bytes: number;
}

/**
 * What is on its way to Redis. Events that are published in one turn of the event loop travel together; what comes while two
 * round trips are on the way makes up the next. Nothing waits for a timer. Every event is settled by its deadline.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #parcels: Parcel[] = [];
  #queue: Flight[] = [];
  #flights = 0;
  #scheduled = false;
  #size = 0;
  #watch: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Events that are not settled. */
  get size(): number {
    return this.#size;
  }

  publish(events: readonly OutgoingEvent[], settle: Settle<OutgoingEvent>): void {
    const { maxBuffered } = this.#options;
    if (this.#size + events.length > maxBuffered) {
      const full = new EventsError(
        'EVENTS_REDIS_STREAMS_BUFFER_FULL',
        `${maxBuffered} events wait for Redis (maxBuffered). Publish more slowly, or find out why it does not answer.`,
        { retryAfterMs: 100 },
      );
      for (const event of events) settle(event, full);
      return;
    }
    this.#size += events.length;
    this.#parcels.push({ events, settle, since: Date.now() });
    this.#schedule();
  }

  /** Sends what waits for a connection. */
  resume(): void {
    this.#send();
  }

  /** Resolves when everything is settled. */
  idle(): Promise<void> {
    return this.#size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up what is left. */
  close(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#pack();
    for (const { items } of this.#queue.splice(0))
      for (const { event, settle } of items) this.#settle(event, settle, connectionLost());
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#flights < MAX_FLIGHTS && this.#options.connection.up) {
      if (this.#queue.length === 0) this.#pack();
      const flight = this.#queue.shift();
      if (!flight) return;
      void this.#fly(flight);
    }
    if (this.#size > 0) this.#watch ??= setInterval(this.#look, 100);
  }

  /** Makes flights of what was published: one for each run of events of one stream and kind. */
  #pack(): void {
    const parcels = this.#parcels;
    if (parcels.length === 0) return;
    this.#parcels = [];
    const open = new Map<string, Flight>();
    for (const { events, settle, since } of parcels) {
      for (const event of events) {
        let stream: string;
        let field: string;
        let value: string;
        try {
          stream = this.#options.streamOf(event);
          const { payload } = event;
          field = fieldOf(payload);
          value = valueOf(payload);
        } catch (thrown) {
          this.#settle(event, settle, asReason(thrown));
          continue;
        }
        let flight = open.get(stream);
        if (!flight || flight.field !== field || flight.items.length >= MAX_BATCH || flight.bytes > MAX_BYTES) {
          flight = { stream, field, items: [], bytes: 0 };
          open.set(stream, flight);
          this.#queue.push(flight);
        }
        flight.items.push({ event, settle, value, since });
        flight.bytes += value.length;
      }
    }
  }

  async #fly(flight: Flight): Promise<void> {
    const { connection, onStored } = this.#options;
    const { stream, field, items } = flight;
    this.#flights++;
    try {
      let failed: readonly (number | string)[] = [];
      if (items.length === 1)
        await connection.run((client) => client.xadd(stream, '*', field, (items[0] as Item).value));
      else {
        const values = items.map((item) => item.value);
        failed = (await connection.run((client) => publishScript.run(client, [stream], [field, ...values]))) as (
          | number
          | string
        )[];
      }
      this.#flights--;
      onStored(stream, items.length - failed.length / 2);
      this.#land(items, failed);
    } catch (error) {
      this.#flights--;
      if (isConnectionError(error)) this.#queue.unshift(flight);
      else for (const { event, settle } of items) this.#settle(event, settle, error);
      this.#look();
    }
    this.#send();
  }

  #land(items: readonly Item[], failed: readonly (number | string)[]): void {
    if (failed.length === 0) {
      for (const { event, settle } of items) this.#settle(event, settle);
      return;
    }
    const reasons = new Map<number, unknown>();
    for (let i = 0; i < failed.length; i += 2) reasons.set(failed[i] as number, replyError(String(failed[i + 1])));
    for (const [index, { event, settle }] of items.entries()) this.#settle(event, settle, reasons.get(index + 1));
  }

  #settle(event: OutgoingEvent, settle: Settle<OutgoingEvent>, reason?: unknown): void {
    this.#size--;
    settle(event, reason);
    if (this.#size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Settles what has waited too long and is not on its way; what is on its way ends by the deadline of its round trip. */
  readonly #look = (): void => {
    const { timeoutMs, connection } = this.#options;
    const before = Date.now() - timeoutMs;
    if (!connection.up) this.#pack();
    this.#queue = this.#queue.filter((flight) => {
      const late = flight.items.filter((item) => item.since <= before);
      if (late.length === 0) return true;
      const rest = flight.items.filter((item) => item.since > before);
      flight.items.splice(0, flight.items.length, ...rest);
      for (const { event, settle } of late) this.#settle(event, settle, timedOut(timeoutMs));
      return rest.length > 0;
    });
    if (this.#size > 0) return;
    clearInterval(this.#watch);
    this.#watch = undefined;
  };
}
