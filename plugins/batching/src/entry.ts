import { byteLength, type OutgoingEvent, type Settle } from '@logistically/events-kernel';

/** The events between two calls of `flush`. */
export interface Epoch {
  open: number;
  readonly onDone: (() => void)[];
}

/** An event that was given to the layer, and what it needs to be settled. */
export interface Entry {
  readonly event: OutgoingEvent;
  readonly settle: Settle<OutgoingEvent>;
  readonly bytes: number;
  readonly epoch: Epoch;
  /** Until when it waits for room, in ms of `performance.now()`. */
  until: number;
}

/** The events of a batch, in order. An entry is taken out as it is settled, so that a second settlement finds nothing. */
export class Batch {
  readonly open = new Map<OutgoingEvent, Entry>();
  bytes = 0;
  #byId: Map<string, OutgoingEvent> | undefined;

  /** The entry that is settled with `event`; nothing when it is settled already. */
  entryOf(event: OutgoingEvent): Entry | undefined {
    const entry = this.open.get(event);
    if (entry || !this.open.size) return entry;
    // A layer below may settle a copy, which has the id of what it was derived from.
    this.#byId ??= new Map(Array.from(this.open.keys(), (each) => [each.header.id, each]));
    const original = this.#byId.get(event.header.id);
    return original && this.open.get(original);
  }
}

/** The batches that wait together, the last of which takes more. */
export interface Lane {
  /** When its first event came, in ms of `performance.now()`. */
  readonly since: number;
  readonly batches: Batch[];
  /** The keys, each with its topic, whose last event waits here. Only where events of a key may go to several lanes. */
  readonly keys: Set<string>;
}

/**
 * Encodes an event, so that what its publisher does to the body later does not matter. What cannot be encoded counts nothing: a
 * layer below may replace its payload, and if none does the transport settles it with the reason.
 */
export const bytesOf = (event: OutgoingEvent): number => {
  try {
    return byteLength(event.payload);
  } catch {
    return 0;
  }
};
