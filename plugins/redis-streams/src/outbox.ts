import { asReason, EventsError, type OutgoingEvent, type Settle } from '@logistically/events-kernel';
import type { Redis } from 'ioredis';
import type { Connection } from './connection.ts';
import { fieldOf, textOf } from './entry.ts';
import { connectionLost, isConnectionError, replyError, timedOut } from './error.ts';
import { publishScript } from './script.ts';

/**
 * The most entries of one round trip. A larger one would be a longer turn in which the server serves nobody else and its
 * publisher has nothing to do; with so many, both ends work at the same time.
 */
const MAX_BATCH = 100;
/** The most bytes of one round trip, roughly: a larger one would hold up everybody else on the server. */
const MAX_BYTES = 1024 * 1024;
/** Round trips on the way at a time: one is being executed while others travel. What comes meanwhile makes up the next. */
const MAX_FLIGHTS = 4;
/** While there is no connection, events that come so close together (in ms) share their fate. */
const GATHER_MS = 50;

interface OutboxOptions {
  readonly connection: Connection;
  /** How long an event may wait for its confirmation, in ms. */
  readonly timeoutMs: number;
  /** The most events that wait for a connection or a confirmation. */
  readonly maxBuffered: number;
  /** The stream of an event; throws when it cannot have one. */
  readonly streamOf: (event: OutgoingEvent) => string;
  readonly onStored: (stream: string, count: number) => void;
  readonly onError: (reason: unknown) => void;
}

/** Entries of one stream and kind, for one round trip. */
interface Flight {
  /** Keeps the order when a flight has to be repeated. */
  readonly number: number;
  readonly stream: string;
  readonly field: string;
  /** When the first of them was published, ms since the epoch. */
  readonly since: number;
  readonly events: OutgoingEvent[];
  readonly settles: Settle<OutgoingEvent>[];
  readonly values: string[];
  bytes: number;
}

/**
 * What is on its way to Redis. Events that are published in one turn of the event loop travel together; what comes while all
 * round trips are taken makes up the next. Nothing waits for a timer. Every event is settled by its deadline.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  /** In the order of publishing. */
  #queue: Flight[] = [];
  /** The last flight of each stream, while it takes more. */
  readonly #boarding = new Map<string, Flight>();
  #flying = 0;
  #number = 0;
  #scheduled = false;
  #size = 0;
  #closed = false;
  #watch: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Events that are not settled. */
  get size(): number {
    return this.#size;
  }

  /** Takes events as they are now: what their publisher does to the bodies later does not matter. */
  publish(events: readonly OutgoingEvent[], settle: Settle<OutgoingEvent>): void {
    const { maxBuffered } = this.#options;
    const now = Date.now();
    this.#size += events.length;
    const full = this.#size > maxBuffered;
    for (const event of events) {
      if (full) this.#settle(event, settle, bufferFull(maxBuffered));
      else this.#board(event, settle, now);
    }
    // Alone on its way, what comes now need not wait for company: it would only come later.
    if (this.#flying === 0) {
      this.send();
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.send();
    });
  }

  /** Sends what waits, as far as a connection is there and free. */
  send(): void {
    while (this.#flying < MAX_FLIGHTS && this.#options.connection.up) {
      const flight = this.#queue.shift();
      if (!flight) break;
      if (this.#boarding.get(flight.stream) === flight) this.#boarding.delete(flight.stream);
      this.#fly(flight);
    }
    if (this.#queue.length > 0) this.#watch ??= setInterval(this.#look, 100);
  }

  /** Resolves when everything is settled. */
  idle(): Promise<void> {
    return this.#size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up what is left. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#boarding.clear();
    for (const flight of this.#queue.splice(0)) this.#cancel(flight, connectionLost());
  }

  #board(event: OutgoingEvent, settle: Settle<OutgoingEvent>, now: number): void {
    let stream: string;
    let field: string;
    let value: string;
    try {
      stream = this.#options.streamOf(event);
      const { payload } = event;
      field = fieldOf(payload);
      value = textOf(payload);
    } catch (thrown) {
      this.#settle(event, settle, asReason(thrown));
      return;
    }
    let flight = this.#boarding.get(stream);
    if (
      !flight ||
      flight.field !== field ||
      flight.events.length >= MAX_BATCH ||
      flight.bytes > MAX_BYTES ||
      now - flight.since > GATHER_MS
    ) {
      flight = { number: this.#number++, stream, field, since: now, events: [], settles: [], values: [], bytes: 0 };
      this.#boarding.set(stream, flight);
      this.#queue.push(flight);
    }
    flight.events.push(event);
    flight.settles.push(settle);
    flight.values.push(value);
    flight.bytes += value.length;
    // The server stores the first of a large batch while the rest of it is still being encoded.
    if (flight.events.length === MAX_BATCH) this.send();
  }

  #fly(flight: Flight): void {
    const { connection, onStored, timeoutMs } = this.#options;
    const { stream, values, since } = flight;
    this.#flying++;
    connection.call(
      commandOf(flight),
      Math.max(1, since + timeoutMs - Date.now()),
      (reply) => {
        this.#flying--;
        const failed: readonly (number | string)[] = Array.isArray(reply) ? reply : [];
        onStored(stream, values.length - failed.length / 2);
        this.#land(flight, failed);
        this.send();
      },
      (reason) => {
        this.#flying--;
        if (this.#closed || !isConnectionError(reason)) this.#cancel(flight, reason);
        else if (since + timeoutMs <= Date.now()) this.#cancel(flight, timedOut(timeoutMs));
        else this.#repeat(flight);
        this.send();
      },
    );
  }

  #repeat(flight: Flight): void {
    const at = this.#queue.findIndex((other) => other.number > flight.number);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, flight);
  }

  #land({ events, settles }: Flight, failed: readonly (number | string)[]): void {
    const reasons = new Map<number, unknown>();
    for (let i = 0; i < failed.length; i += 2) reasons.set(failed[i] as number, replyError(String(failed[i + 1])));
    for (let i = 0; i < events.length; i++)
      this.#settle(events[i] as OutgoingEvent, settles[i] as Settle<OutgoingEvent>, reasons.get(i + 1));
  }

  #cancel({ events, settles }: Flight, reason: unknown): void {
    for (let i = 0; i < events.length; i++)
      this.#settle(events[i] as OutgoingEvent, settles[i] as Settle<OutgoingEvent>, reason);
  }

  #settle(event: OutgoingEvent, settle: Settle<OutgoingEvent>, reason?: unknown): void {
    this.#size--;
    try {
      settle(event, reason);
    } catch (thrown) {
      // A layer that throws while it settles keeps none of the others from being settled.
      this.#options.onError(thrown);
    }
    if (this.#size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Ends what has waited too long for its flight; what flies ends by the deadline of its round trip. */
  readonly #look = (): void => {
    const { timeoutMs } = this.#options;
    const before = Date.now() - timeoutMs;
    while (this.#queue[0] && this.#queue[0].since <= before) {
      const flight = this.#queue.shift() as Flight;
      if (this.#boarding.get(flight.stream) === flight) this.#boarding.delete(flight.stream);
      this.#cancel(flight, timedOut(timeoutMs));
    }
    if (this.#queue.length > 0) return;
    clearInterval(this.#watch);
    this.#watch = undefined;
  };
}

/** Its reply tells what was refused, in pairs: the place in the flight (from 1 on) and the error. One alone gives its id. */
const commandOf = ({ stream, field, values }: Flight): ((client: Redis) => Promise<unknown>) => {
  const [first, second] = values as [string, string | undefined];
  if (second === undefined) return (client) => client.xadd(stream, '*', field, first);
  // Whole: one that the server had to ask for again would lose its place to what comes after.
  return (client) => publishScript.runWhole(client, [stream], [field, ...values]);
};

const bufferFull = (maxBuffered: number): EventsError =>
  new EventsError(
    'EVENTS_REDIS_STREAMS_BUFFER_FULL',
    `${maxBuffered} events wait for Redis (maxBuffered). Publish more slowly, or find out why it does not answer.`,
    { retryAfterMs: 100 },
  );
