import type { OutgoingEvent } from '@logistically/events-kernel';

/** An event that was not published, and why. */
export interface FailedEvent {
  readonly event: OutgoingEvent;
  readonly reason: unknown;
}

/** The events that were not published, the newest of them. What is published after all is taken out again. */
export class Failures {
  readonly #kept = new Map<string, FailedEvent>();
  readonly #max: number;
  /** How many were dropped to make room. */
  dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#kept.size;
  }

  get list(): readonly FailedEvent[] {
    return [...this.#kept.values()];
  }

  settled(event: OutgoingEvent, reason: unknown): void {
    if (reason === undefined) {
      if (this.#kept.size) this.#kept.delete(event.header.id);
      return;
    }
    const { id } = event.header;
    this.#kept.delete(id);
    this.#kept.set(id, { event, reason });
    if (this.#kept.size <= this.#max) return;
    this.#kept.delete(this.#kept.keys().next().value as string);
    this.dropped++;
  }
}
