import { isUtf8 } from 'node:buffer';
import type { Payload } from '@logistically/events-kernel';
import type { Commands } from './commands.ts';

/** A stream entry as ioredis gives it: its id, and its fields and values in one list. */
export type RawEntry = readonly [id: string, fields: readonly string[] | null];

/** The field that holds a payload: text as it is, bytes in base64 (ioredis reads replies as UTF-8). */
export const TEXT = 'e';
export const BYTES = 'b';

/** Stands between what an entry was and the notes that a handoff wrote beside it. */
export const NOTES = '~notes';

export const fieldOf = (payload: Payload): typeof TEXT | typeof BYTES => (typeof payload === 'string' ? TEXT : BYTES);

export const textOf = (payload: Payload): string =>
  typeof payload === 'string'
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('base64');

// Only as base64 is written: what is left over of the last letter is zero (RFC 4648 §3.5), or else something would be lost.
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/;

/** Index of what stands between an entry and its notes. A value may be called so too, and so may a field of a stranger. */
const boundaryOf = (fields: readonly unknown[]): number => {
  for (let i = fields.length - 2; i > 0; i -= 2) if (String(fields[i]) === NOTES) return i;
  return fields.length;
};

/** The payload of an entry. One that is not ours has none: it is given as the JSON list of its fields, which no codec takes for an event. */
export const payloadOf = (fields: readonly string[] | null): Payload => {
  if (!fields) return '[]';
  const end = fields.length === 2 ? 2 : boundaryOf(fields);
  for (let i = 0; i < end; i += 2) {
    if (fields[i] === TEXT) return fields[i + 1] as string;
    if (fields[i] === BYTES && BASE64.test(fields[i + 1] as string))
      return Buffer.from(fields[i + 1] as string, 'base64');
  }
  return JSON.stringify(fields.slice(0, end));
};

/** What stands beside the payload: the notes of a handed off entry. */
export const notesOf = (fields: readonly string[] | null): Readonly<Record<string, string>> | undefined => {
  if (!fields || fields.length <= 2) return undefined;
  const boundary = boundaryOf(fields);
  if (boundary === fields.length) return undefined;
  const notes: Record<string, string> = Object.create(null);
  for (let i = boundary + 2; i < fields.length; i += 2) notes[fields[i] as string] = fields[i + 1] as string;
  return notes;
};

const REPLACEMENT = '\uFFFD';

/** Whether bytes may have been lost when the reply was read as UTF-8. */
export const isSuspect = (payload: Payload): boolean => typeof payload === 'string' && payload.includes(REPLACEMENT);

/** Reads an entry again as bytes. Text that really holds U+FFFD is given as text, what is no UTF-8 as it was stored. */
export const readBytes = async (commands: Commands, stream: string, id: string, payload: Payload): Promise<Payload> => {
  const entries = (await commands.run((client) => client.xrangeBuffer(stream, id, id))) as unknown as [
    Buffer,
    Buffer[],
  ][];
  const stored = entries[0]?.[1] ?? [];
  const fields = stored.slice(0, boundaryOf(stored));
  const at = fields.findIndex((field, i) => i % 2 === 0 && field.toString() === TEXT);
  const bytes = at < 0 ? Buffer.concat(fields) : fields[at + 1];
  return !bytes || isUtf8(bytes) ? payload : bytes;
};
