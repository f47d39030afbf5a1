import type { OutgoingEvent, Payload } from '@logistically/events-kernel';
import { printable } from './printable.ts';

const PLAIN = /^[\w.:@/+-]+$/;

/** Text as it is where it is plain, else as JSON. */
const word = (text: string): string => (PLAIN.test(text) ? text : JSON.stringify(text));

const shorten = (text: string, length: number): string => {
  if (text.length <= length) return text;
  // Half of a surrogate pair is no character.
  const end = /[\ud800-\udbff]/.test(text.charAt(length - 1)) ? length - 1 : length;
  return `${text.slice(0, end)}… (${text.length - end} more)`;
};

const describe = (payload: Payload): string =>
  typeof payload === 'string' ? JSON.stringify(payload) : `<${payload.byteLength} bytes>`;

/**
 * An event as one line for people: time, type, origin, id, key and body. Where a layer has replaced the payload, that is shown
 * instead of the body: it may be there to hide it.
 */
export const readableLine = (
  event: OutgoingEvent,
  { colors, maxBodyLength }: { readonly colors: boolean; readonly maxBodyLength: number },
): string => {
  const styled = (style: string, text: string): string =>
    colors ? `\u001b[${style}m${printable(text)}\u001b[0m` : printable(text);
  const { timestamp, type, origin, originPrefix, id, key } = event.header;
  const body = event.encoded ? describe(event.payload) : JSON.stringify(event.body);
  return [
    styled('2', timestamp),
    styled('1', type),
    printable(originPrefix === undefined ? word(origin) : `${word(originPrefix)}/${word(origin)}`),
    styled('2', id),
    ...(key === undefined ? [] : [printable(`key=${word(key)}`)]),
    ...(body === undefined ? [] : [printable(shorten(body, maxBodyLength))]),
  ].join(' ');
};

/** An event as one line of JSON: `{ topic, header, body }`, or `payload` (bytes: base64) instead of `body`. */
export const jsonLine = ({ topic, header, body, encoded, payload }: OutgoingEvent): string => {
  const content = encoded
    ? { payload: typeof payload === 'string' ? payload : Buffer.from(payload).toString('base64') }
    : { body };
  return printable(JSON.stringify({ topic, header, ...content }));
};
