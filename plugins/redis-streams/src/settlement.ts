import { asReason, type Delivery, isEventsError, type Settle } from '@logistically/events-kernel';
import type { RedisDelivery } from './delivery.ts';

/** The longest wait of a failed delivery whose reason names none, in ms. */
const MAX_REDELIVER_MS = 30_000;
/** The longest wait that a reason may ask for: a year, in ms. */
const MAX_DELAY_MS = 31_536_000_000;

/** Frees its seat; whatever its handler says from now on is not heard. */
export const release = (delivery: RedisDelivery): void => {
  const { page, member, feed } = delivery;
  if (!page) return;
  delivery.page = undefined;
  if (--page.open === 0) feed.pages.delete(page);
  member.seats.free++;
  member.seats.freed();
};

/** Gives a delivery back that nobody settled, for whoever is next. */
export const handBack = (delivery: RedisDelivery): void => {
  release(delivery);
  if (!delivery.lost) delivery.feed.fail(delivery.cursor, delivery.attempt, 0, !delivery.tried);
};

/** Settles deliveries. What failed comes back after `redeliverMs`, doubled with each attempt, unless its reason says when. */
export const createSettle = (redeliverMs: number): Settle<Delivery> => {
  const delayMs = (reason: unknown, attempt: number): number => {
    const { retryAfterMs } = asReason(reason) as { retryAfterMs?: unknown };
    if (Number.isFinite(retryAfterMs)) return Math.min(Number(retryAfterMs), MAX_DELAY_MS);
    return Math.min(redeliverMs * 2 ** (attempt - 1), MAX_REDELIVER_MS);
  };
  return (settled, reason) => {
    const delivery = settled as RedisDelivery;
    if (!delivery.page) return;
    release(delivery);
    const { feed, cursor, attempt, lost } = delivery;
    // Work that was done is acknowledged even when the lease was lost meanwhile: it spares the other another attempt.
    if (reason === undefined) feed.ack(cursor);
    else if (!lost) feed.fail(cursor, attempt, delayMs(reason, attempt), isEventsError(reason) && reason.uncounted);
  };
};
