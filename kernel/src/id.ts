import { randomBytes } from 'node:crypto';

/** Makes ids and timestamps. */
export interface Ids {
  /** A UUIDv7 of `now` (ms since the epoch). Each is greater than the one before, also when the clock is set back. */
  readonly id: (now: number) => string;
  /** ISO 8601 in UTC with ms. */
  readonly iso: (now: number) => string;
}

/** All of an id that stands in front of the lower 14 bits of the counter. */
const headOf = (time: number, counter: number): string => {
  const text = time.toString(16).padStart(12, '0');
  return `${text.slice(0, 8)}-${text.slice(8)}-${(0x7000 | (counter >>> 14)).toString(16)}-`;
};

/**
 * UUIDv7 after RFC 9562 §5.7, with the fixed-length counter of §6.2 method 1: 26 bits that begin at a random point of their
 * lower quarter in each millisecond. The last 48 bits are random per instance.
 */
export const createIds = (): Ids => {
  const tail = `-${randomBytes(6).toString('hex')}`;
  let time = -1;
  let counter = 0;
  let head = '';
  let isoTime = -1;
  let isoText = '';

  const id = (now: number): string => {
    if (now > time) {
      time = now;
      counter = Math.floor(Math.random() * 2 ** 24);
      head = headOf(time, counter);
    } else if (++counter === 2 ** 26) return id(time + 1);
    else if (counter % 2 ** 14 === 0) head = headOf(time, counter);
    return head + (0x8000 | (counter & 0x3fff)).toString(16) + tail;
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
