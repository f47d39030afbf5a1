import { randomBytes } from 'node:crypto';

/** Makes ids and timestamps. */
export interface Ids {
  /** A UUIDv7 of `now` (ms since the epoch). Each is greater than the one before, also when the clock is set back. */
  readonly id: (now: number) => string;
  /** ISO 8601 in UTC with ms. */
  readonly iso: (now: number) => string;
}

/**
 * UUIDv7 after RFC 9562 §5.7, with the fixed-length counter of §6.2 method 1: 26 bits that begin at a random point of their
 * lower quarter in each millisecond. The last 48 bits are random per instance.
 */
export const createIds = (): Ids => {
  const tail = `-${randomBytes(6).toString('hex')}`;
  let time = -1;
  let head = '';
  let counter = 0;
  let isoTime = -1;
  let isoText = '';

  const id = (now: number): string => {
    if (now > time) {
      time = now;
      head = now.toString(16).padStart(12, '0').replace(/.{8}/, '$&-');
      counter = Math.random() * 2 ** 24;
    } else if (++counter >= 2 ** 26) return id(time + 1);
    return `${head}-${(0x7000 | (counter >>> 14)).toString(16)}-${(0x8000 | (counter & 0x3fff)).toString(16)}${tail}`;
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
