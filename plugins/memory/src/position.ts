import { EventsError, type From } from '@logistically/events-kernel';

const CURSOR = /^\d{1,15}$/;

const isPosition = (from: unknown): boolean =>
  from instanceof Date
    ? Number.isFinite(from.getTime())
    : from === 'latest' || from === 'earliest' || (typeof from === 'string' && CURSOR.test(from));

/** Throws `EVENTS_MEMORY_CURSOR` for what is no position, also where none is needed since the group is there already. */
export const checkPosition = (from: From): void => {
  if (!isPosition(from))
    throw new EventsError(
      'EVENTS_MEMORY_CURSOR',
      `${JSON.stringify(String(from).slice(0, 40))} is no position: use 'latest', 'earliest', a Date or a cursor.`,
    );
};
