import { asReason, EventsError, type OutgoingEvent, type Settle } from '@logistically/events-kernel';
import { fieldOf, textOf } from './entry.ts';
import { connectionLost } from './error.ts';
import { Flights } from './flights.ts';
import type { Topology } from './topology.ts';

interface OutboxOptions {
  readonly topology: Topology;
  /** How long a server may take for an answer, in ms. */
  readonly timeoutMs: number;
  /** How long an event may wait for its confirmation, in ms. */
  readonly confirmMs: number;
  /** How long replicas may take to have it, in ms. Undefined: none must. */
  readonly replicaMs: number | undefined;
  /** The most events that wait for a connection or a confirmation. */
  readonly maxBuffered: number;
  /** The stream of an event; throws when it cannot have one. */
  readonly streamOf: (event: OutgoingEvent) => string;
  readonly onStored: (stream: string, count: number) => void;
  readonly onError: (reason: unknown) => void;
}

/**
 * What is on its way to Redis. Events that are published in one turn of the event loop travel together; what comes while all
 * round trips are taken makes up the next. Nothing waits for a timer, and no place for another.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  /** By stream: those of one place are the same. */
  readonly #ways = new Map<string, Flights>();
  readonly #places = new Map<string, Flights>();
  #size = 0;
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
    this.#size += events.length;
    const full = this.#size > maxBuffered;
    let last: Flights | undefined;
    let others: Set<Flights> | undefined;
    for (const event of events) {
      if (full) {
        this.#settle(event, settle, bufferFull(maxBuffered));
        continue;
      }
      const flights = this.#board(event, settle);
      if (!flights || flights === last) continue;
      if (last) {
        others ??= new Set();
        others.add(last);
      }
      last = flights;
    }
    others?.delete(last as Flights);
    for (const flights of others ?? []) flights.go();
    last?.go();
  }

  /** A connection is there, or leads to another server: sends what waits. */
  send(): void {
    for (const flights of this.#places.values()) flights.resume();
  }

  /** Resolves when everything is settled. */
  idle(): Promise<void> {
    return this.#size === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up what is left. */
  close(): void {
    for (const flights of this.#places.values()) flights.close(connectionLost());
  }

  #board(event: OutgoingEvent, settle: Settle<OutgoingEvent>): Flights | undefined {
    try {
      const stream = this.#options.streamOf(event);
      const { payload } = event;
      const flights = this.#to(stream);
      flights.board(stream, fieldOf(payload), textOf(payload), event, settle);
      return flights;
    } catch (thrown) {
      this.#settle(event, settle, asReason(thrown));
      return undefined;
    }
  }

  #to(stream: string): Flights {
    const known = this.#ways.get(stream);
    if (known) return known;
    const { topology, timeoutMs, confirmMs, replicaMs, onStored } = this.#options;
    const place = topology.placeOf(stream);
    let flights = this.#places.get(place);
    if (!flights) {
      flights = new Flights({
        commands: topology.publisher(stream),
        timeoutMs,
        confirmMs,
        replicaMs,
        settle: this.#settle,
        onStored,
      });
      this.#places.set(place, flights);
    }
    if (this.#ways.size >= 10_000) this.#ways.clear();
    this.#ways.set(stream, flights);
    return flights;
  }

  readonly #settle = (event: OutgoingEvent, settle: Settle<OutgoingEvent>, reason?: unknown): void => {
    this.#size--;
    try {
      settle(event, reason);
    } catch (thrown) {
      // A layer that throws while it settles keeps none of the others from being settled.
      this.#options.onError(thrown);
    }
    if (this.#size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  };
}

const bufferFull = (maxBuffered: number): EventsError =>
  new EventsError(
    'EVENTS_REDIS_STREAMS_BUFFER_FULL',
    `${maxBuffered} events wait for Redis (maxBuffered). Publish more slowly, or find out why it does not answer.`,
    { retryAfterMs: 100 },
  );
