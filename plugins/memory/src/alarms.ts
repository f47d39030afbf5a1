const MAX_TIMEOUT_MS = 2 ** 31 - 1;

interface Alarm {
  readonly time: number;
  readonly ring: () => void;
  timer: NodeJS.Timeout | undefined;
}

/** What is to be done at a time. The timers run, and keep the process alive, only between `resume` and `pause`. */
export class Alarms {
  readonly #alarms = new Set<Alarm>();
  #running = false;

  /** Calls `ring` at `time` (ms since the epoch), or as soon after it as the alarms run. */
  set(time: number, ring: () => void): void {
    const alarm: Alarm = { time, ring, timer: undefined };
    this.#alarms.add(alarm);
    if (this.#running) this.#start(alarm);
  }

  resume(): void {
    this.#running = true;
    for (const alarm of [...this.#alarms].sort((a, b) => a.time - b.time)) this.#start(alarm);
  }

  pause(): void {
    this.#running = false;
    for (const alarm of this.#alarms) clearTimeout(alarm.timer);
  }

  #start(alarm: Alarm): void {
    const ms = Math.min(Math.max(alarm.time - Date.now(), 0), MAX_TIMEOUT_MS);
    alarm.timer = setTimeout(() => {
      // A timer may be early by a part of a millisecond, and cannot run for more than 24 days.
      if (Date.now() < alarm.time) return this.#start(alarm);
      this.#alarms.delete(alarm);
      alarm.ring();
    }, ms);
  }
}
