import type { Payload } from './codec.ts';
import type { Delivery } from './delivery.ts';
import type { Emit } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { OutgoingEvent } from './outgoing-event.ts';
import type { Path, Settle } from './path.ts';
import type { Topics } from './topic.ts';

/**
 * Carries events. A transport sees topics, keys, partitions, payloads and cursors, never handlers or schemas. What it can do
 * beyond publish and deliver stands in `capabilities`: present means promised and certified, absent means not offered.
 */
export interface Transport<out Can extends Capabilities = Capabilities> {
  readonly kind: 'transport';
  /** Unique in a kernel; routes and `publish({ transport })` name it. */
  readonly name: string;
  readonly capabilities: Can;
  /** Connects. When it cannot by its own deadline it lets go of what it opened and rejects with a clear error; it is not closed then. */
  readonly open: (host: TransportHost) => Promise<void>;
  /** Stores events. An event is settled as done when the broker has confirmed it, each by itself, by a deadline. */
  readonly publish: Path<OutgoingEvent>;
  /**
   * Delivers the events of topics to `deliver`, and settles what it settles: done is acknowledged, not done comes back with
   * `attempt` raised (unless the reason is `uncounted`; not before its `retryAfterMs`, where it has one). Resolves when nothing
   * published from now on can be missed. Absent: the transport only publishes.
   */
  readonly subscribe?: (subscription: TransportSubscription, deliver: Path<Delivery>) => Promise<TransportConsumer>;
  /** What is wrong right now, in words; nothing when all is well. */
  readonly health?: () => Promise<readonly string[]>;
  /** Versions of the broker and of the client: `{ redis: '7.0.15', ioredis: '6.0.0' }`. */
  readonly versions?: () => Promise<Readonly<Record<string, string>>>;
  /** Lets go of everything that it opened; flushes until `deadline` (ms since the epoch) and no longer. */
  readonly close: (deadline: number) => Promise<void>;
}

/** What a transport is given to work with. */
export interface TransportHost {
  readonly service: string;
  readonly logger: Logger;
  readonly emit: Emit;
}

/** A position to begin at, for a group that is new. A string is a cursor: begin after it. */
export type From = 'latest' | 'earliest' | Date | (string & {});

export interface TransportSubscription {
  /** `'all'`: every topic, also one that comes into being later. */
  readonly topics: Topics;
  /** Of consumers that share a group each event goes to one. Without the capability `groups` every subscription gets all. */
  readonly group: string;
  readonly from: From;
  /** The most deliveries that may be unsettled at a time. */
  readonly concurrency: number;
  /** Only these partitions. Default: all. */
  readonly partitions?: readonly number[];
}

/** An open subscription of a transport. */
export interface TransportConsumer {
  /** Stops reading. Once resolved, nothing more is delivered; what was delivered may still be settled. */
  readonly stop: () => Promise<void>;
  /** Hands back what is not settled, flushes what is. Both by `deadline` (ms since the epoch). */
  readonly close: (deadline: number) => Promise<void>;
}

/** What a transport can do beyond publish and deliver. A feature reads it, a conformance file certifies it. */
export interface Capabilities {
  readonly durable?: Durable;
  readonly groups?: true;
  readonly order?: Order;
  readonly log?: Log;
  readonly store?: Store;
  readonly delay?: Delay;
  readonly handoff?: Handoff;
  readonly inspect?: Inspect;
}

/** What stored events survive: the end of the process that published them, or a restart of the server too. */
export type Durable = 'process' | 'server';
/** The scope in which events are delivered in the order of publishing. */
export type Order = 'topic' | 'partition';

/** A stored event, as `log` reads it. */
export interface LogEntry {
  readonly topic: string;
  readonly partition: number;
  readonly cursor: string;
  /** When it was stored, ms since the epoch. */
  readonly time: number;
  readonly payload: Payload;
  /** What `handoff.move` wrote beside the entry. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** Reads what a topic holds, in order, without touching any group. */
export interface Log {
  /** Up to `limit` (default 100) entries of a partition (default 0) after a cursor or from a time on, oldest first. */
  readonly read: (
    topic: string,
    options?: { readonly partition?: number; readonly from?: From; readonly limit?: number },
  ) => Promise<readonly LogEntry[]>;
  /** The topics that exist. */
  readonly topics: () => Promise<readonly string[]>;
}

/** A small shared state. Keys are free text; values are text. Times in ms. */
export interface Store {
  readonly get: (key: string) => Promise<string | undefined>;
  readonly set: (key: string, value: string, options?: Expiry) => Promise<void>;
  readonly delete: (key: string) => Promise<void>;
  /** True when it was set, false when the key was there. */
  readonly setIfAbsent: (key: string, value: string, options?: Expiry) => Promise<boolean>;
  /** Does `set`, or `setIfAbsent`, for each of the entries, in few steps; each is atomic by itself. True for those that were set. */
  readonly setMany: (
    entries: readonly (readonly [key: string, value: string])[],
    options?: Expiry & { readonly ifAbsent?: boolean },
  ) => Promise<readonly boolean[]>;
  /** Sets `value` where the key holds `expected` (undefined: is absent). True when it was set. */
  readonly compareAndSet: (
    key: string,
    expected: string | undefined,
    value: string,
    options?: Expiry,
  ) => Promise<boolean>;
  /** Adds `by` (default 1) to a counter that begins at 0; resolves with the sum. */
  readonly increment: (key: string, by?: number, options?: Expiry) => Promise<number>;
  /** Takes a lease, or undefined when somebody holds it. */
  readonly lease: (key: string, ttlMs: number) => Promise<Lease | undefined>;
}

export interface Expiry {
  readonly ttlMs?: number;
}

export interface Lease {
  /** Grows with every lease taken of this key: whoever is shown a lower token must refuse. */
  readonly token: number;
  /** False when it was lost. */
  readonly renew: () => Promise<boolean>;
  readonly release: () => Promise<void>;
}

/** Delivers later. With it, the `retryAfterMs` of a reason is kept by the broker and survives a restart. */
export interface Delay {
  /** Stores events that are delivered not before `time` (ms since the epoch). Settles as `publish` does. */
  readonly publishAt: (time: number, batch: readonly OutgoingEvent[], settle: Settle<OutgoingEvent>) => void;
}

/** Moves entries between a topic and the topics that derive from it, each in one atomic step: nothing is lost between, nothing doubled. */
export interface Handoff {
  /**
   * Copies the entry as it was received, byte for byte, to a derived topic (`dlq:user-events`) with `notes` beside it, and
   * acknowledges it. Rejects when either is not possible; the delivery is then still unsettled. Settle it afterwards as done.
   */
  readonly move: (delivery: Delivery, topic: string, notes: Readonly<Record<string, string>>) => Promise<void>;
  /**
   * Moves a stored entry of a derived topic to the topic that it derives from, or to another one that derives from that: byte for
   * byte or with `payload` in place of its own, to the same partition, with `notes` in place of those it had. False when it is
   * not there any more, as when somebody else was faster.
   */
  readonly moveEntry: (
    entry: LogEntry,
    topic: string,
    notes: Readonly<Record<string, string>>,
    payload?: Payload,
  ) => Promise<boolean>;
  /** Removes a stored entry of a derived topic. False when it is not there any more. */
  readonly remove: (entry: LogEntry) => Promise<boolean>;
}

/** Tells what a topic's groups are doing. */
export interface Inspect {
  readonly topic: (topic: string) => Promise<TopicState>;
}

export interface TopicState {
  readonly topic: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly length: number;
    readonly groups: readonly GroupState[];
    /** The server that keeps it, where there are several. */
    readonly node?: string;
  }[];
}

export interface GroupState {
  readonly group: string;
  /** Stored and not yet delivered; undefined when the broker cannot tell. */
  readonly lag: number | undefined;
  /** Delivered and not yet settled. */
  readonly pending: number;
  /** Of `pending`, those that wait for a later attempt. */
  readonly delayed: number;
  readonly consumers: readonly { readonly consumer: string; readonly pending: number; readonly idleMs: number }[];
}
