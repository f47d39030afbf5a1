import { createHash } from 'node:crypto';

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

/** The fields of a header, without its computed `hash`. Null and undefined are absent. */
export type HeaderFields = {
  readonly [K in keyof EventHeader as K extends 'hash' ? never : K]:
    | EventHeader[K]
    | (K extends keyof Always ? never : null | undefined);
};
type Always = Pick<EventHeader, 'id' | 'type' | 'origin' | 'timestamp'>;

const sortKeys = (_: string, value: object): unknown =>
  Array.isArray(value) || Object(value) !== value
    ? value
    : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Fields that are absent are no properties: a header prints, compares and travels as what it has. */
export class Header implements EventHeader {
  declare readonly id: string;
  declare readonly type: string;
  declare readonly origin: string;
  declare readonly timestamp: string;
  declare readonly originPrefix?: string;
  declare readonly correlationId?: string;
  declare readonly causationId?: string;
  declare readonly key?: string;
  declare readonly headers?: Readonly<Record<string, string>>;
  readonly #body: unknown;

  constructor(fields: HeaderFields, body: unknown) {
    this.id = fields.id;
    this.type = fields.type;
    this.origin = fields.origin;
    this.timestamp = fields.timestamp;
    if (fields.originPrefix != null) this.originPrefix = fields.originPrefix;
    if (fields.correlationId != null) this.correlationId = fields.correlationId;
    if (fields.causationId != null) this.causationId = fields.causationId;
    if (fields.key != null) this.key = fields.key;
    if (fields.headers != null) this.headers = fields.headers;
    this.#body = body;
  }

  get hash(): string {
    const text = JSON.stringify(this.#body, sortKeys) ?? '';
    return createHash('sha256').update(text).digest('hex');
  }
}

/** Makes an envelope of its parts; `header.hash` is computed when read. For codecs. */
export const createEnvelope = (fields: HeaderFields, body: unknown): Envelope => ({
  header: new Header(fields, body),
  body,
});
