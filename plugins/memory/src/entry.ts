import type { OutgoingEvent, Payload } from '@logistically/events-kernel';

/** A stored event: its payload, or the event itself where it is passed by reference. */
export class Entry {
  readonly stored: Payload | undefined;
  readonly event: OutgoingEvent | undefined;
  /** What a handoff wrote beside it. */
  readonly notes: Readonly<Record<string, string>> | undefined;
  /** Counts over all topics, so that a cursor means the same in each. Set when it is stored, as `time` is (ms since the epoch). */
  sequence = 0;
  time = 0;
  /** Taken out of a derived topic: nobody is given it any more. */
  removed = false;

  constructor(stored: Payload | undefined, event?: OutgoingEvent, notes?: Readonly<Record<string, string>>) {
    this.stored = stored;
    this.event = event;
    this.notes = notes;
  }

  get cursor(): string {
    return String(this.sequence);
  }

  get payload(): Payload {
    return this.stored ?? (this.event as OutgoingEvent).payload;
  }
}
