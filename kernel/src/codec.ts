import { createEnvelope, type Envelope, type HeaderFields } from './event.ts';
import { EventsError } from './error.ts';

/** An encoded event: text, or bytes once a codec or a layer made it so. */
export type Payload = string | Uint8Array;

/** Writes events for the broker and reads them back. Both throw `EventsError`s; neither error shows the payload. */
export interface Codec {
  readonly name: string;
  readonly encode: (event: Envelope) => Payload;
  readonly decode: (payload: Payload) => Envelope;
}

export interface JsonCodecOptions {
  /** The largest payload, in bytes. Default 1 MiB. */
  readonly maxBytes?: number;
  /** The deepest nesting of arrays and objects that is read. Default 256. */
  readonly maxDepth?: number;
}

const undecodable = (why: string, cause?: unknown): EventsError =>
  new EventsError('EVENTS_UNDECODABLE', `The entry is no event: ${why}. It is reported raw and not tried again.`, {
    permanent: true,
    cause,
  });

/** Byte length of a payload (UTF-8 for text). */
export const byteLength = (payload: Payload): number =>
  typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;

const SUSPECT = /__proto__|constructor|\\u00/;

/** Walks what came out of JSON.parse: keys that could poison a prototype, and nesting that could exhaust a stack. */
const inspect = (root: unknown, maxDepth: number): void => {
  let level: object[] = typeof root === 'object' && root !== null ? [root] : [];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) throw undecodable(`it nests deeper than ${maxDepth} levels (maxDepth)`);
    const below: object[] = [];
    for (const value of level) {
      if (Object.hasOwn(value, '__proto__')) throw undecodable('it has a key "__proto__"');
      const { constructor } = value as { constructor?: unknown };
      if (Object.hasOwn(value, 'constructor') && typeof constructor === 'object' && constructor && 'prototype' in constructor)
        throw undecodable('it has a key "constructor.prototype"');
      for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) below.push(child);
    }
    level = below;
  }
};

/** Whether the text holds at least `limit` opening brackets: without them it cannot nest that deep. */
const mayNest = (text: string, limit: number): boolean => {
  if (text.length < 2 * limit) return false;
  let count = 0;
  for (const bracket of ['{', '['])
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (++count >= limit) return true;
  return false;
};

const isText = (value: unknown): value is string => typeof value === 'string';

/**
 * JSON: `{"header":{…},"body":…}`. Strict on what it reads: size, nesting, UTF-8, keys that poison prototypes, and the header
 * fields that every event has. `EVENTS_UNDECODABLE` says what is wrong, `EVENTS_TOO_LARGE` and `EVENTS_NOT_ENCODABLE` are thrown
 * before anything is sent.
 */
export const jsonCodec = ({ maxBytes = 1024 * 1024, maxDepth = 256 }: JsonCodecOptions = {}): Codec => ({
  name: 'json',

  encode({ header, body }) {
    let text: string;
    try {
      // The header first and by hand: its common fields need no escaping, and the body is written once.
      let head = `{"header":{"id":"${header.id}","type":"${header.type}","timestamp":"${header.timestamp}","origin":${JSON.stringify(header.origin)}`;
      for (const name of ['originPrefix', 'correlationId', 'causationId', 'key', 'headers'] as const)
        if (header[name] !== undefined) head += `,"${name}":${JSON.stringify(header[name])}`;
      const json = JSON.stringify(body);
      text = json === undefined ? `${head}}}` : `${head}},"body":${json}}`;
    } catch (cause) {
      throw new EventsError('EVENTS_NOT_ENCODABLE', `The body of ${header.type} cannot be written as JSON (a cycle or a BigInt).`, {
        cause,
        permanent: true,
      });
    }
    if (text.length * 3 > maxBytes && byteLength(text) > maxBytes)
      throw new EventsError(
        'EVENTS_TOO_LARGE',
        `${header.type} has ${byteLength(text)} bytes, the limit is ${maxBytes} (maxBytes). Publish a reference to the data instead.`,
        { permanent: true },
      );
    return text;
  },

  decode(payload) {
    let text: string;
    let value: { header?: HeaderFields; body?: unknown };
    if (byteLength(payload) > maxBytes) throw undecodable(`it has more than ${maxBytes} bytes (maxBytes)`);
    try {
      text = typeof payload === 'string' ? payload : new TextDecoder('utf-8', { fatal: true }).decode(payload);
      value = JSON.parse(text);
    } catch {
      // The cause stays out: a parser quotes what it failed on.
      throw undecodable('it is no JSON in UTF-8');
    }
    if (SUSPECT.test(text) || mayNest(text, maxDepth)) inspect(value, maxDepth);
    const header = value?.header;
    if (!header || !isText(header.id) || !isText(header.type) || !isText(header.origin) || !isText(header.timestamp))
      throw undecodable('it lacks a header with id, type, origin and timestamp');
    return createEnvelope(header, value.body);
  },
});
