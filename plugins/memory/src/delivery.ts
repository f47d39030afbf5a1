import { Delivery } from '@logistically/events-kernel';
import type { Consumer } from './consumer.ts';
import type { Entry } from './entry.ts';
import type { Group } from './group.ts';

/** A delivery, with what it takes to settle it. */
export class MemoryDelivery extends Delivery {
  readonly home: Group;
  readonly offset: number;
  readonly entry: Entry;
  /** Who has it. Undefined once it is settled or handed back: a settlement that comes then is too late. */
  holder: Consumer | undefined;
  /** Nothing was tried: its next delivery is the same attempt. */
  uncounted = false;

  constructor(home: Group, offset: number, entry: Entry, attempt: number, holder: Consumer) {
    const { topic, number } = home.partition;
    // Passed by reference it has no payload: to write one would cost more than all the rest.
    super(topic, number, entry.cursor, attempt, entry.event ? '' : entry.payload);
    this.envelope = entry.event;
    this.notes = entry.notes;
    this.home = home;
    this.offset = offset;
    this.entry = entry;
    this.holder = holder;
  }
}
