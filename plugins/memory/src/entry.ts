import type { OutgoingEvent, Payload } from '@logistically/events-kernel';

/** A stored event: its payload, or the event itself where it is passed by reference. */
export class Entry {
  /** Counts over all topics, so that a cursor means the same in each. Given when stored, as `time` is (ms since the epoch). */
  sequence = 0;
  time = 0;
  readonly event: OutgoingEvent | undefined;
  /** What a handoff wrote beside the payload. */
  readonly notes: Readonly<Record<string, string>> | undefined;
  readonly #payload: Payload | undefined;

  constructor(payload: Payload | undefined, event: OutgoingEvent | undefined, notes?: Readonly<Record<string, string>>) {
    this.#payload = payload;
    this.event = event;
    this.notes = notes;
  }

  get payload(): Payload {
    return this.#payload ?? (this.event as OutgoingEvent).payload;
  }

  get cursor(): string {
    return String(this.sequence);
  }
}
