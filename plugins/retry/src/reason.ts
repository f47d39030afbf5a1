import { type Delivery, isEventsError } from '@logistically/events-kernel';

/** Whether no further attempt can mend it, as whoever gave the reason says. */
export const isPermanent = (reason: unknown): boolean => isEventsError(reason) && reason.permanent;

/** Whether nothing was tried: a circuit was open, somebody else is at work on the same event. */
export const isUncounted = (reason: unknown): boolean => isEventsError(reason) && reason.uncounted;

/** Whether a delivery did not fail of itself: the service stops, and the signal of the delivery has told the handler so. */
export const isInterrupted = ({ signal }: Delivery): boolean =>
  // Who calls a handler without a kernel may give it no signal.
  signal?.aborted && isEventsError(signal.reason) && signal.reason.code === 'EVENTS_ABORTED';

/** When it wants to be tried again, in ms from now; what is no time is not heard. */
export const ownDelayOf = (reason: unknown): number | undefined => {
  const delayMs = isEventsError(reason) ? reason.retryAfterMs : undefined;
  return Number.isFinite(delayMs) ? Math.max(0, Number(delayMs)) : undefined;
};
