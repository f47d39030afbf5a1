import type { Codec, Payload } from './codec.ts';
import { type Envelope, type EventHeader, Header } from './envelope.ts';
import type { Ids } from './id.ts';

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
  /** Name of the transport. Default: the first one used. */
  readonly transport?: string;
}

/** Where the events of a type go, worked out once per type. */
interface Route {
  readonly type: string;
  readonly topic: string;
  readonly transport: string;
}

/** How an event was settled: as done, or with a reason. */
export type Outcome = true | { readonly reason: unknown };

/** What all events that one kernel publishes have in common. */
export interface EventSource {
  readonly service: string;
  readonly originPrefix: string | undefined;
  readonly codec: Codec;
  readonly ids: Ids;
}

/** What a layer may change of an event that goes out. What it does not name stays, the id in any case. */
export interface OutgoingChanges extends EventOptions {
  /** What goes out in place of what the codec would write. */
  readonly payload?: Payload;
  readonly body?: unknown;
  readonly topic?: string;
}

/** Which event led to this one. Its ids only: the event itself would hold its own cause, and so on without end. */
export interface Cause {
  readonly correlationId: string;
  readonly causationId: string;
}

/**
 * An event on its way out: on the publish path, and in the hands of a transport. Immutable; `derive` makes a changed copy.
 * The header is made when first read, the payload too.
 */
export class OutgoingEvent implements Envelope {
  // What the constructor writes is only declared: as a class field it would be written twice, for every event.
  declare readonly topic: string;
  /** Name of the transport that it goes to. */
  declare readonly transport: string;
  declare readonly body: unknown;
  /** When it was published, ms since the epoch. */
  declare readonly time: number;
  /** True when a layer has replaced the payload: that goes out, not the envelope. */
  declare readonly encoded: boolean;
  declare readonly type: string;
  declare readonly key: string | undefined;
  /** Undefined: the transport decides, by the key where there is one. */
  declare readonly partition: number | undefined;
  /** @internal */ declare readonly _source: EventSource;
  /** @internal */ declare readonly _options: EventOptions | undefined;
  /** @internal */ declare readonly _cause: Cause | undefined;
  /** @internal The event that it was derived from. */ declare readonly _origin: OutgoingEvent | undefined;
  /** @internal */ _header: EventHeader | undefined;
  /** @internal */ declare _payload: Payload | undefined;
  /** @internal Once settled. */ _outcome: Outcome | undefined;
  /** @internal */ _whenSettled: ((outcome: Outcome) => void) | undefined;

  /** @internal */
  constructor(
    source: EventSource,
    { type, topic, transport }: Route,
    body: unknown,
    time: number,
    options?: EventOptions,
    cause?: Cause,
    origin?: OutgoingEvent,
    payload?: Payload,
  ) {
    this.type = type;
    this.topic = topic;
    this.transport = options?.transport ?? transport;
    this.key = options?.key;
    this.partition = options?.partition;
    this.body = body;
    this.time = time;
    this.encoded = payload !== undefined;
    this._source = source;
    this._options = options;
    this._cause = cause;
    this._origin = origin;
    this._payload = payload;
  }

  get header(): EventHeader {
    const { _source: source, _options: options, _cause: cause } = this;
    this._header ??= new Header(
      {
        // A copy has the id of its origin: what is sent again is still the same event.
        id: this._origin ? this._origin.header.id : source.ids.id(this.time),
        type: this.type,
        origin: source.service,
        timestamp: source.ids.iso(this.time),
        originPrefix: source.originPrefix,
        correlationId: options?.correlationId ?? cause?.correlationId,
        causationId: options?.causationId ?? cause?.causationId,
        key: this.key,
        headers: options?.headers,
      },
      this.body,
    );
    return this._header;
  }

  /** The event as the codec writes it, or as a layer replaced it. Throws what the codec throws: settle the event with it. */
  get payload(): Payload {
    this._payload ??= this._source.codec.encode(this);
    return this._payload;
  }

  /** What a person wants to see of it, and what JSON takes of it: the envelope. */
  toJSON(): Envelope {
    return { header: this.header, body: this.body };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): Envelope {
    return this.toJSON();
  }

  /** @internal */
  _derive({ topic = this.topic, body = this.body, payload, ...options }: OutgoingChanges): OutgoingEvent {
    return new OutgoingEvent(
      this._source,
      { type: this.type, topic, transport: this.transport },
      body,
      this.time,
      { ...this._options, ...options },
      this._cause,
      this._origin ?? this,
      payload ?? (this.encoded ? this._payload : undefined),
    );
  }
}
