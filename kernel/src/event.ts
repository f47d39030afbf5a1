import { createHash } from 'node:crypto';
import type { Logger } from './logger.ts';
import type { Settle } from './path.ts';
import type { Codec, Payload } from './codec.ts';
import type { Ids } from './id.ts';

/** What is known of an event beside its body. Everything here travels. */
export interface EventHeader<Type extends string = string> {
  /** UUIDv7. */
  readonly id: string;
  readonly type: Type;
  /** The service that published it. */
  readonly origin: string;
  /** ISO 8601, UTC, of the moment of publishing. */
  readonly timestamp: string;
  /** Region or tenant of the origin: `eu.de`. */
  readonly originPrefix?: string;
  /** The same for everything that one first cause led to. */
  readonly correlationId?: string;
  /** The id of the event whose handler published this one. */
  readonly causationId?: string;
  /** Events of one key belong together: they share a partition and, where asked for, their order. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** SHA-256 (hex) of the body's canonical JSON: keys sorted, no white space. Computed when read; it does not travel. */
  readonly hash: string;
}

/** An event as its handlers see it. */
export interface Envelope<Type extends string = string, Body = unknown> {
  readonly header: EventHeader<Type>;
  readonly body: Body;
}

/** What a handler is told beside the event. */
export interface HandlerContext {
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  /** Position in the topic's partition, as the transport writes it. */
  readonly cursor: string;
  /** 1 for the first delivery in this group. */
  readonly attempt: number;
  /** Fires when the service shuts down, or when the lease is lost and somebody else may take the event over. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

const sortKeys = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** The fields of a header, without its computed `hash`. */
export type HeaderFields = Omit<EventHeader, 'hash'>;

class Header implements EventHeader {
  declare readonly id: string;
  declare readonly type: string;
  declare readonly origin: string;
  declare readonly timestamp: string;
  readonly #body: unknown;

  constructor(fields: HeaderFields, body: unknown) {
    Object.assign(this, fields);
    this.#body = body;
  }

  get hash(): string {
    return createHash('sha256')
      .update(JSON.stringify(this.#body, sortKeys) ?? '')
      .digest('hex');
  }
}

/** Makes an envelope of its parts; `header.hash` is computed when read. For codecs. */
export const createEnvelope = (fields: HeaderFields, body: unknown): Envelope => ({
  header: new Header(fields, body),
  body,
});

/** What `publish` may be told about one event. */
export interface EventOptions {
  /** Literal. Events of one key keep together. */
  readonly key?: string;
  /** Wins over every key. A partition that the topic does not have is rejected. */
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: that of the event being handled. */
  readonly correlationId?: string;
  /** Default: the id of the event being handled. */
  readonly causationId?: string;
  /** Name of the transport. Default: what the route says, else the first transport used. */
  readonly transport?: string;
}

/** Where the events of a type go, worked out once per type. */
export interface Route {
  readonly type: string;
  readonly topic: string;
  readonly transport: string;
}

/** What all events that one kernel publishes have in common. */
export interface EventSource {
  readonly service: string;
  readonly originPrefix: string | undefined;
  readonly codec: Codec;
  readonly ids: Ids;
}

/**
 * An event on its way out: on the publish path, and in the hands of a transport. Immutable; `derive` makes a changed copy.
 * The header is made when first read, the payload too.
 */
export class OutgoingEvent implements Envelope {
  readonly body: unknown;
  readonly topic: string;
  readonly transport: string;
  /** Undefined: the transport's first. */
  readonly partition: number | undefined;
  /** When it was published, ms since the epoch. */
  readonly time: number;
  /** @internal */ readonly _source: EventSource;
  /** @internal */ readonly _type: string;
  /** @internal */ readonly _options: EventOptions | undefined;
  /** @internal */ readonly _cause: Envelope | undefined;
  /** @internal */ _header: EventHeader | undefined = undefined;
  /** @internal */ _payload: Payload | undefined = undefined;
  /** @internal 0 pending, 1 done, 2 failed */ _state: 0 | 1 | 2 = 0;
  /** @internal */ _reason: unknown = undefined;
  /** @internal */ _waiter: ((event: OutgoingEvent) => void) | undefined = undefined;

  /** @internal */
  constructor(
    source: EventSource,
    route: Route,
    body: unknown,
    time: number,
    options: EventOptions | undefined,
    cause: Envelope | undefined,
  ) {
    this._source = source;
    this._type = route.type;
    this.topic = route.topic;
    this.transport = options?.transport ?? route.transport;
    this.partition = options?.partition;
    this.body = body;
    this.time = time;
    this._options = options;
    this._cause = cause;
  }

  get type(): string {
    return this._type;
  }

  get key(): string | undefined {
    return this._options?.key;
  }

  get header(): EventHeader {
    return (this._header ??= this.#makeHeader());
  }

  /** The event as the codec writes it, or as a layer replaced it. */
  get payload(): Payload {
    return (this._payload ??= this._source.codec.encode(this));
  }

  /** True when a layer has replaced the payload: a transport then has to carry those bytes, and not the envelope. */
  get encoded(): boolean {
    return this._payload !== undefined;
  }

  #makeHeader(): EventHeader {
    const { service, originPrefix, ids } = this._source;
    const options = this._options;
    const cause = this._cause?.header;
    const fields: { -readonly [K in keyof HeaderFields]: HeaderFields[K] } = {
      id: ids.id(this.time),
      type: this._type,
      origin: service,
      timestamp: ids.iso(this.time),
    };
    if (originPrefix !== undefined) fields.originPrefix = originPrefix;
    const correlationId = options?.correlationId ?? cause?.correlationId ?? cause?.id;
    if (correlationId !== undefined) fields.correlationId = correlationId;
    const causationId = options?.causationId ?? cause?.id;
    if (causationId !== undefined) fields.causationId = causationId;
    if (options?.key !== undefined) fields.key = options.key;
    if (options?.headers !== undefined) fields.headers = options.headers;
    return new Header(fields, this.body);
  }

  /** What a person wants to see of it, and what JSON takes of it: the envelope. */
  toJSON(): Envelope {
    return { header: this.header, body: this.body };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): Envelope {
    return this.toJSON();
  }
}

/** @internal Who takes the deliveries of a subscription. */
export interface Receiver {
  readonly group: string;
  readonly logger: Logger;
  /** @internal */ receive(delivery: Delivery, settle: Settle<Delivery>): void;
  /** @internal */ watch(delivery: Delivery): void;
}

/**
 * One arrival of an event in a group: on the consume path, and the context of its handler. A transport makes it; it may extend
 * the class by what it needs to settle. Immutable for layers; `derive` makes a changed copy.
 */
export class Delivery implements HandlerContext {
  readonly topic: string;
  readonly partition: number;
  readonly cursor: string;
  readonly attempt: number;
  /** The event as the broker keeps it. */
  readonly payload: Payload;
  /** The decoded event. Set by the kernel's decode stage, or by a transport that passes events by reference. */
  envelope: Envelope | undefined = undefined;
  /** What `handoff.move` wrote beside the entry; set by the transport. */
  notes: Readonly<Record<string, string>> | undefined = undefined;
  /** @internal */ _receiver: Receiver | undefined = undefined;
  /** @internal */ _settle: Settle<Delivery> | undefined = undefined;
  /** @internal */ _settled = false;
  /** @internal */ _abort: AbortController | undefined = undefined;
  /** @internal */ _origin: Delivery | undefined = undefined;

  /** `attempt` counts from 1. */
  constructor(topic: string, partition: number, cursor: string, attempt: number, payload: Payload) {
    this.topic = topic;
    this.partition = partition;
    this.cursor = cursor;
    this.attempt = attempt;
    this.payload = payload;
  }

  get group(): string {
    return this._receiver?.group ?? '';
  }

  get logger(): Logger {
    return (this._receiver as Receiver).logger;
  }

  get signal(): AbortSignal {
    if (this._origin) return this._origin.signal;
    if (!this._abort) {
      this._abort = new AbortController();
      this._receiver?.watch(this);
    }
    return this._abort.signal;
  }

  /** Fires the handler's signal: the lease is lost, or time is up. */
  abort(reason: unknown): void {
    this._abort?.abort(reason);
  }
}

/** A copy of an event with some fields changed. A new payload voids what was decoded from the old one. */
export const derive = <E extends OutgoingEvent | Delivery>(
  event: E,
  changes: { readonly payload?: Payload; readonly topic?: string; readonly partition?: number; readonly transport?: string },
): E => {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(event)), event) as E;
  const { payload, ...others } = changes;
  Object.assign(copy, others);
  if (copy instanceof OutgoingEvent) {
    // One header for all copies: a retry must not change the id.
    copy._header = (event as OutgoingEvent).header;
    if (payload !== undefined) copy._payload = payload;
  } else {
    copy._origin = copy._origin ?? (event as Delivery);
    if (payload !== undefined) Object.assign(copy, { payload, envelope: undefined });
  }
  return copy;
};

/** The delivery that the transport made, of one that layers may have derived from it. */
export const originOf = (delivery: Delivery): Delivery => delivery._origin ?? delivery;
