import type { OutgoingEvent, Settle } from '@logistically/events-kernel';
import type { Redis } from 'ioredis';
import type { Commands } from './commands.ts';
import { isConnectionError, isRefusal, notSent, type RedisReplyError, replyError, timedOut } from './error.ts';
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
/** The same where each is also a round trip to replicas. */
const MAX_COVERED_FLIGHTS = 20;
/** Events that come so close together (in ms) share a flight, and its fate, also where they have to wait. */
const GATHER_MS = 50;
/** ms until what was refused is tried again: at first, and at most. */
const RETRY_MS = 20;
const MAX_RETRY_MS = 250;

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
  /** It was sent before: it may have arrived. */
  flown: boolean;
  /** Why the server did not take it the last time. */
  refused: RedisReplyError | undefined;
}

interface FlightsOptions {
  readonly commands: Commands;
  /** How long the server may take for an answer, in ms. */
  readonly timeoutMs: number;
  /** How long an event may wait for its confirmation, in ms. */
  readonly confirmMs: number;
  /** How long replicas may take to have it, in ms. Undefined: none must. */
  readonly replicaMs: number | undefined;
  readonly settle: (event: OutgoingEvent, settle: Settle<OutgoingEvent>, reason?: unknown) => void;
  readonly onStored: (stream: string, count: number) => void;
}

/** What is on its way to one place, in the order of publishing. Every event is settled by its deadline. */
export class Flights {
  readonly #options: FlightsOptions;
  #queue: Flight[] = [];
  /** The last flight of each stream, while it takes more. */
  readonly #boarding = new Map<string, Flight>();
  #flying = 0;
  #way: unknown;
  #number = 0;
  #scheduled = false;
  #closed = false;
  /** Since the last refusal or loss nothing has arrived: what would overtake it must wait. */
  #proving = false;
  #refusals = 0;
  #paused: NodeJS.Timeout | undefined;
  /** Will be told when the replicas have answered. */
  #queued = false;
  #watch: NodeJS.Timeout | undefined;

  constructor(options: FlightsOptions) {
    this.#options = options;
  }

  board(stream: string, field: string, value: string, event: OutgoingEvent, settle: Settle<OutgoingEvent>): void {
    const now = Date.now();
    let flight = this.#boarding.get(stream);
    if (
      !flight ||
      flight.field !== field ||
      flight.events.length >= MAX_BATCH ||
      flight.bytes > MAX_BYTES ||
      now - flight.since > GATHER_MS
    ) {
      flight = {
        number: this.#number++,
        stream,
        field,
        since: now,
        events: [],
        settles: [],
        values: [],
        bytes: 0,
        flown: false,
        refused: undefined,
      };
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

  /** What was boarded in this turn of the event loop may go. */
  go(): void {
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
    const { commands, replicaMs } = this.#options;
    const cover = commands.cover(this.#queue[0]?.refused);
    if (this.#queue.length > 0) this.#watch ??= setInterval(this.#look, 100);
    if (this.#paused || (replicaMs !== undefined && !cover)) return;
    if (cover?.busy) {
      if (!this.#queued) cover.whenFree(this.#free);
      this.#queued = true;
      return;
    }
    const most = this.#proving ? 1 : cover ? MAX_COVERED_FLIGHTS : MAX_FLIGHTS;
    while (this.#flying < most && commands.up) {
      const [flight] = this.#queue;
      if (!flight) break;
      const way = commands.way(flight.refused);
      // What is still on another way may have to be repeated: nothing must overtake it.
      if (this.#flying > 0 && way !== this.#way) break;
      this.#way = way;
      this.#queue.shift();
      if (this.#boarding.get(flight.stream) === flight) this.#boarding.delete(flight.stream);
      this.#gather(flight);
      this.#fly(flight);
    }
  }

  /** What had to wait in small flights, for a connection or a seat on one, goes in large ones. */
  #gather(flight: Flight): void {
    const { confirmMs } = this.#options;
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const fits =
        next.stream === flight.stream &&
        next.field === flight.field &&
        next.events.length + flight.events.length <= MAX_BATCH &&
        next.bytes + flight.bytes <= MAX_BYTES &&
        next.since - flight.since < confirmMs / 10;
      if (!fits) return;
      this.#queue.shift();
      if (this.#boarding.get(next.stream) === next) this.#boarding.delete(next.stream);
      flight.events.push(...next.events);
      flight.settles.push(...next.settles);
      flight.values.push(...next.values);
      flight.bytes += next.bytes;
      flight.flown ||= next.flown;
    }
  }

  readonly #free = (): void => {
    this.#queued = false;
    this.send();
  };

  /** The servers have changed: what was refused may go at once. */
  resume(): void {
    clearTimeout(this.#paused);
    this.#paused = undefined;
    this.send();
  }

  /** Gives up what is left. */
  close(reason: unknown): void {
    this.#closed = true;
    clearTimeout(this.#paused);
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#boarding.clear();
    for (const flight of this.#queue.splice(0)) this.#cancel(flight, reason);
  }

  #fly(flight: Flight): void {
    const { commands, timeoutMs, confirmMs } = this.#options;
    const cover = commands.cover(flight.refused);
    let failed: readonly (number | string)[] = [];
    let unanswered = cover ? 2 : 1;
    let reason: unknown;
    const answered = (why?: unknown): void => {
      reason ??= why;
      if (--unanswered === 0) this.#arrive(flight, failed, reason);
    };
    this.#flying++;
    flight.flown = true;
    commands.call(
      commandOf(flight),
      Math.max(1, Math.min(timeoutMs, flight.since + confirmMs - Date.now())),
      (reply) => {
        if (Array.isArray(reply)) failed = reply;
        answered();
      },
      answered,
      flight.refused,
    );
    cover?.add(answered);
  }

  #arrive(flight: Flight, failed: readonly (number | string)[], reason: unknown): void {
    const { confirmMs, onStored } = this.#options;
    this.#flying--;
    if (!isConnectionError(reason)) {
      this.#proving = false;
      this.#refusals = 0;
      if (reason === undefined) onStored(flight.stream, flight.values.length - failed.length / 2);
      this.#land(flight, failed, reason);
    } else {
      const before = flight.refused;
      this.#proving = true;
      flight.refused = isRefusal(reason) ? reason : undefined;
      if (this.#closed) this.#cancel(flight, reason);
      else if (flight.since + confirmMs <= Date.now())
        this.#cancel(flight, flight.refused ?? before ?? timedOut(confirmMs));
      else this.#repeat(flight);
      if (flight.refused) this.#pause(flight.refused);
    }
    this.send();
  }

  /** Before the next attempt, unless the server said where to go. */
  #pause({ redirection }: RedisReplyError): void {
    if (this.#paused || (redirection && this.#refusals++ === 0)) return;
    const ms = Math.min(RETRY_MS * 2 ** this.#refusals++, MAX_RETRY_MS);
    this.#paused = setTimeout(() => this.resume(), ms);
  }

  #repeat(flight: Flight): void {
    const at = this.#queue.findIndex((other) => other.number > flight.number);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, flight);
  }

  #land({ events, settles }: Flight, failed: readonly (number | string)[], reason: unknown): void {
    const reasons = new Map<number, unknown>();
    for (let i = 0; i < failed.length; i += 2) reasons.set(failed[i] as number, replyError(String(failed[i + 1])));
    for (let i = 0; i < events.length; i++)
      this.#options.settle(
        events[i] as OutgoingEvent,
        settles[i] as Settle<OutgoingEvent>,
        reasons.get(i + 1) ?? reason,
      );
  }

  #cancel(flight: Flight, reason: unknown): void {
    this.#land(flight, [], reason);
  }

  /** Ends what has waited too long for its flight; what flies ends by the deadline of its round trip. */
  readonly #look = (): void => {
    const { commands, confirmMs, replicaMs } = this.#options;
    const shortage = commands.cover(this.#queue[0]?.refused)?.shortage;
    // While replicas are missing nobody is kept waiting for longer than they may take.
    const limitMs = Math.min(confirmMs, shortage && replicaMs !== undefined ? replicaMs : confirmMs);
    const before = Date.now() - limitMs;
    while (this.#queue[0] && this.#queue[0].since <= before) {
      const flight = this.#queue.shift() as Flight;
      if (this.#boarding.get(flight.stream) === flight) this.#boarding.delete(flight.stream);
      this.#cancel(flight, flight.refused ?? shortage ?? (flight.flown ? timedOut : notSent)(confirmMs));
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
