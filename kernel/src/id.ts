import { randomBytes } from 'node:crypto';

/** Makes ids and timestamps; both come from one clock, so that they sort alike. */
export interface Ids {
  /** A UUIDv7 of `now` (ms since the epoch). Later calls give greater ids, also when the clock is set back. */
  readonly id: (now: number) => string;
  /** ISO 8601 in UTC with ms. */
  readonly iso: (now: number) => string;
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/**
 * UUIDv7 after RFC 9562 §5.7, with the fixed-length counter of §6.2 method 1: 12 + 14 bits of counter start at a random point
 * of the lower half in each millisecond; the last 48 bits are random per instance.
 */
export const createIds = (): Ids => {
  const random = randomBytes(8);
  const tail = `-${random.toString('hex', 0, 6)}`;
  let seed = random.readUInt16BE(6);
  let time = -1;
  let head = '';
  let counter = 0;
  let isoTime = -1;
  let isoText = '';

  const id = (now: number): string => {
    if (now > time) {
      time = now;
      const text = hex(now, 12);
      head = `${text.slice(0, 8)}-${text.slice(8)}-7`;
      seed = (seed * 48271 + 11) & 0xffffff;
      counter = seed;
    } else if (++counter > 0x3ffffff) return id(time + 1);
    return `${head}${hex(counter >>> 14, 3)}-${(0x8000 | (counter & 0x3fff)).toString(16)}${tail}`;
  };
  const iso = (now: number): string => {
    if (now !== isoTime) {
      isoTime = now;
      isoText = new Date(now).toISOString();
    }
    return isoText;
  };
  return { id, iso };
};
