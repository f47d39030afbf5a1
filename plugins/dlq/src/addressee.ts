import { type Delivery, filter, type Layer } from '@logistically/events-kernel';
import { addresseeOf } from './notes.ts';

/** Settles what was sent again for another group: this one has had it. */
export const addressed: Layer<Delivery> = filter((delivery) => {
  const addressee = addresseeOf(delivery.notes);
  return addressee === undefined || addressee === delivery.group;
});
