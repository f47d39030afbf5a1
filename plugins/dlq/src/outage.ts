import { isEventsError } from '@logistically/events-kernel';

const SILENCE = /^EVENTS_(\w+_)?(CONNECTION|TIMEOUT)$/;

/** Whether the broker has given no answer: what it was asked for may have been done or not. */
export const isOutage = (reason: unknown): boolean => isEventsError(reason) && SILENCE.test(reason.code);
