import type { Delivery, DeliveryChanges } from './delivery.ts';
import type { OutgoingChanges, OutgoingEvent } from './outgoing-event.ts';

/**
 * A copy of an event with some fields changed, for layers. The copy is the same event: it keeps the id, and to the kernel
 * settling the copy settles the original.
 */
export const derive = <E extends OutgoingEvent | Delivery>(
  event: E,
  changes: E extends OutgoingEvent ? OutgoingChanges : DeliveryChanges,
): E => event._derive(changes as OutgoingChanges & DeliveryChanges) as E;
