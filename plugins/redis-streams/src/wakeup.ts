interface WakeupOptions {
  /** Ends a blocking read early. */
  readonly interrupt: () => void;
  /** The time has come that `due` was told of. */
  readonly onDue: () => void;
}

/** Wakes a lane that waits, for a seat or for a reply, when there is something to do. */
export class Wakeup {
  /** Feeds were left out of the current read because nobody has a seat for them. */
  starved = false;
  readonly #options: WakeupOptions;
  #resume: (() => void) | undefined;
  #scheduled = false;
  #alarm: NodeJS.Timeout | undefined;
  #alarmAt = 0;

  constructor(options: WakeupOptions) {
    this.#options = options;
  }

  /** Resolves when a seat is free, and after `ms` anyway. */
  seat(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#resume?.(), ms);
      this.#resume = () => {
        clearTimeout(timer);
        this.#resume = undefined;
        resolve();
      };
    });
  }

  /** Seats that become free in one turn of the event loop are used together. */
  seatFreed(): void {
    if (this.#scheduled || !(this.#resume || this.starved)) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#resume || this.starved) this.now();
    });
  }

  now(): void {
    if (this.#resume) this.#resume();
    else this.#options.interrupt();
  }

  /** Something is due in so many ms. The earliest counts. */
  due(ms: number): void {
    const at = Date.now() + ms;
    if (this.#alarm && this.#alarmAt <= at) return;
    clearTimeout(this.#alarm);
    this.#alarmAt = at;
    // One more, since timers may be early: what is looked for too soon is not found.
    this.#alarm = setTimeout(() => {
      this.#alarm = undefined;
      this.#options.onDue();
      this.now();
    }, ms + 1);
  }

  close(): void {
    clearTimeout(this.#alarm);
    this.now();
  }
}
