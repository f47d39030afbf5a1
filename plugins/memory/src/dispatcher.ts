import { Window } from './window.ts';

/** Something that may have deliveries to hand out. `run` hands out what it can at once, and adds itself again for the rest. */
export interface Task {
  queued: boolean;
  readonly run: () => void;
}

/** How many tasks run before the timers and sockets of the process get their turn. */
const TASKS_PER_TURN = 1000;

/**
 * Runs what there is to deliver, one task after the other. A handler that publishes only adds to the queue, so that no chain of
 * handlers grows the stack, and none keeps the event loop to itself.
 */
export class Dispatcher {
  /** The time of this run, ms since the epoch: a clock for all that need not read one. */
  now = 0;
  busy = false;
  readonly #queue = new Window<Task>();

  add(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#queue.push(task);
  }

  /** Runs until the queue is empty, unless it runs already or the turn is over. */
  run(now = Date.now()): void {
    if (this.busy) return;
    this.busy = true;
    this.now = now;
    for (let left = TASKS_PER_TURN; left > 0; left--) {
      const task = this.#queue.shift();
      if (!task) {
        this.busy = false;
        return;
      }
      task.queued = false;
      task.run();
    }
    setImmediate(() => {
      this.busy = false;
      this.run();
    });
  }
}
