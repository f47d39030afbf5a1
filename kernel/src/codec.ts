import { createEnvelope, type Envelope, type HeaderFields } from './envelope.ts';
import { EventsError, fail } from './error.ts';
import { OutgoingEvent } from './outgoing-event.ts';

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
  /** The deepest nesting of arrays and objects. Default 256. */
  readonly maxDepth?: number;
}

/** That an entry is no event, and never will be. */
export const undecodable = (why: string, cause?: unknown): EventsError =>
  new EventsError('EVENTS_UNDECODABLE', `The entry is no event: ${why}.`, { permanent: true, cause });

/** Byte length of a payload (UTF-8 for text). */
export const byteLength = (payload: Payload): number => Buffer.byteLength(payload);

const isText = (value: unknown): value is string => typeof value === 'string';

/** Whether text may hold a key that poisons prototypes, an escape that could spell one, or brackets nested too deep. */
const isSuspect = (text: string, maxDepth: number): boolean =>
  text.includes('proto') ||
  text.includes('\\u00') ||
  (text.length > 2 * maxDepth && text.split('{').length + text.split('[').length > maxDepth + 2);

/** Refuses what JSON lets through: keys that could poison a prototype, and nesting that could exhaust a stack. */
const inspect = (value: unknown, maxDepth: number): void => {
  let level = [value];
  for (let depth = 0; level.length; depth++)
    level = level.flatMap((node) => {
      if (typeof node !== 'object' || !node) return [];
      if (
        depth === maxDepth ||
        Object.hasOwn(node, '__proto__') ||
        (Object.hasOwn(node, 'constructor') && Object.hasOwn(Object(node.constructor), 'prototype'))
      )
        throw undecodable('it nests too deep (`maxDepth`) or has a key that poisons prototypes');
      return Object.values(node);
    });
};

const field = (name: string, value: unknown): string =>
  value === undefined ? '' : `,"${name}":${JSON.stringify(value) ?? null}`;

/** The envelope as JSON, by hand: what the kernel itself wrote into a header needs no escaping. */
const write = ({ header, body }: Envelope): string =>
  `{"header":{"id":"${header.id}","type":"${header.type}","origin":"${header.origin}","timestamp":"${header.timestamp}"` +
  field('originPrefix', header.originPrefix) +
  field('correlationId', header.correlationId) +
  field('causationId', header.causationId) +
  field('key', header.key) +
  `${field('headers', header.headers)}}${field('body', body)}}`;

/**
 * JSON: `{"header":{…},"body":…}`. Strict on what it reads: size, nesting, UTF-8, keys that poison prototypes, and the header
 * fields that every event has; and it writes nothing that it would not read. `EVENTS_UNDECODABLE` says what is wrong with an
 * entry, `EVENTS_TOO_LARGE` and `EVENTS_NOT_ENCODABLE` are thrown before anything is sent.
 */
export const jsonCodec = ({ maxBytes = 1024 * 1024, maxDepth = 256 }: JsonCodecOptions = {}): Codec => {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  // No character takes more than three bytes for each of its units.
  const exceeds = (payload: Payload): boolean => payload.length * 3 > maxBytes && byteLength(payload) > maxBytes;
  return {
    name: 'json',
    encode(event) {
      const { type } = event.header;
      let text = '';
      try {
        text = event instanceof OutgoingEvent ? write(event) : JSON.stringify(event);
        if (isSuspect(text, maxDepth)) inspect(JSON.parse(text), maxDepth);
      } catch (cause) {
        fail('EVENTS_NOT_ENCODABLE', `${type} cannot be written as JSON: see \`cause\`.`, { permanent: true, cause });
      }
      if (exceeds(text))
        fail('EVENTS_TOO_LARGE', `${type} exceeds ${maxBytes} bytes (\`maxBytes\`): publish a reference.`, {
          permanent: true,
        });
      return text;
    },
    decode(payload) {
      if (exceeds(payload)) throw undecodable(`it exceeds ${maxBytes} bytes (\`maxBytes\`)`);
      let text: string;
      let value: { header?: HeaderFields; body?: unknown } | null;
      try {
        text = isText(payload) ? payload : utf8.decode(payload);
        value = JSON.parse(text);
      } catch {
        // The cause stays out: a parser quotes what it failed on.
        throw undecodable('it is not JSON in UTF-8');
      }
      if (isSuspect(text, maxDepth)) inspect(value, maxDepth);
      const header = value?.header;
      if (!isText(header?.id) || !isText(header.type) || !isText(header.origin) || !isText(header.timestamp))
        throw undecodable('its header lacks id, type, origin or timestamp');
      return createEnvelope(header, value?.body);
    },
  };
};
