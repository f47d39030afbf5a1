import { EventsError, type From } from '@logistically/events-kernel';

const ID = /^\d{1,20}(-\d{1,20})?$/;

/** The id after which to begin: `$` for the end of the stream. */
export const startAfter = (from: From): string => {
  if (from === 'latest') return '$';
  if (from === 'earliest') return '0-0';
  if (from instanceof Date) {
    const ms = from.getTime();
    if (Number.isNaN(ms)) throw invalid('an invalid Date');
    return ms <= 0 ? '0-0' : `${ms - 1}-18446744073709551615`;
  }
  if (typeof from !== 'string' || !ID.test(from)) throw invalid(JSON.stringify(String(from).slice(0, 40)));
  return from;
};

/** Whether the entry with one id comes before the one with the other. */
export const isBefore = (one: string, other: string): boolean => {
  const [ms = 0, sequence = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherSequence = 0] = other.split('-').map(Number);
  return ms < otherMs || (ms === otherMs && sequence < otherSequence);
};

const invalid = (what: string): EventsError =>
  new EventsError(
    'EVENTS_CONFIG',
    `${what} is no position: use 'latest', 'earliest', a Date, or the cursor of an event ("1700000000000-0").`,
  );
