import type { LogEntry, OutgoingEvent, Payload } from '@logistically/events-kernel';

type Notes = Readonly<Record<string, string>>;

/** A stored event: its payload, or the event itself where it is passed by reference. */
export class Entry {
  /** Counts over all topics, so that a cursor means the same in each. Set when it is stored, as `time` is (ms since the epoch). */
  sequence = 0;
  time = 0;
  readonly event: OutgoingEvent | undefined;
  /** What a handoff wrote beside the payload. */
  readonly notes: Notes | undefined;
  readonly #payload: Payload | undefined;

  constructor(payload: Payload | undefined, event: OutgoingEvent | undefined, notes?: Notes) {
    this.#payload = payload;
    this.event = event;
    this.notes = notes;
  }

  get cursor(): string {
    return String(this.sequence);
  }

  get payload(): Payload {
    return this.#payload ?? (this.event as OutgoingEvent).payload;
  }

  /** The same content, to be stored elsewhere. */
  with(notes: Notes): Entry {
    return new Entry(this.#payload, this.event, notes);
  }

  /** The payload is written when it is read: by reference, nothing may have asked for it so far. */
  toLogEntry(topic: string, partition: number): LogEntry {
    const entry = this;
    const { cursor, time, notes } = this;
    return {
      topic,
      partition,
      cursor,
      time,
      ...(notes && { notes }),
      get payload() {
        return entry.payload;
      },
    };
  }
}
