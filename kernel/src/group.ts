import type { Context } from './context.ts';
import type { Delivery, Envelope, Receiver } from './event.ts';
import type { Logger } from './logger.ts';
import { asReason, isThenable, type Settle } from './path.ts';
import { Patterns } from './pattern.ts';

export type AnyHandler = (event: Envelope, delivery: Delivery) => unknown;

type Done = (reason?: unknown) => void;

/** A handler with its own limit; what comes above it waits its turn, in order. */
class Worker {
  readonly #handler: AnyHandler;
  readonly #context: Context;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(handler: AnyHandler, context: Context, concurrency: number) {
    this.#handler = handler;
    this.#context = context;
    this.#free = concurrency;
  }

  handle(delivery: Delivery, done: Done): void {
    if (this.#free > 0) this.#run(delivery, done);
    else this.#waiting.push(() => this.#run(delivery, done));
  }

  #run(delivery: Delivery, done: Done): void {
    let result: unknown;
    this.#free--;
    try {
      const envelope = delivery.envelope as Envelope;
      result = this.#context.run(envelope, this.#handler, envelope, delivery);
    } catch (thrown) {
      this.#finish(done, asReason(thrown));
      return;
    }
    if (isThenable(result))
      result.then(
        () => this.#finish(done),
        (thrown) => this.#finish(done, asReason(thrown)),
      );
    else this.#finish(done);
  }

  #finish(done: Done, reason?: unknown): void {
    this.#free++;
    done(reason);
    if (this.#free > 0) this.#waiting.shift()?.();
  }
}

interface GroupOptions {
  readonly group: string;
  readonly logger: Logger;
  readonly context: Context;
  /** Whether the origin of an event is one that this service sees. */
  readonly visible: (event: Envelope) => boolean;
  readonly onFiltered: () => void;
}

/**
 * The handlers of one group. An event goes to every handler whose pattern takes it and is done when all are done. If some
 * failed, those that succeeded are not called again when it comes back to this process.
 */
export class Group implements Receiver {
  readonly group: string;
  readonly logger: Logger;
  readonly #options: GroupOptions;
  readonly #workers = new Patterns<Worker>();
  readonly #succeeded = new Map<string, Set<Worker>>();
  readonly #watched = new Set<Delivery>();

  constructor(options: GroupOptions) {
    this.group = options.group;
    this.logger = options.logger;
    this.#options = options;
  }

  /** Adds a handler; returns what removes it. */
  add(pattern: string, handler: AnyHandler, concurrency: number): () => void {
    return this.#workers.add(pattern, new Worker(handler, this.#options.context, concurrency));
  }

  receive(delivery: Delivery, settle: Settle<Delivery>): void {
    const envelope = delivery.envelope as Envelope;
    const workers = this.#options.visible(envelope) ? this.#workers.match(envelope.header.type) : [];
    if (workers.length === 1) {
      (workers[0] as Worker).handle(delivery, (reason) => settle(delivery, reason));
      return;
    }
    if (workers.length === 0) {
      this.#options.onFiltered();
      settle(delivery);
      return;
    }
    this.#fanOut(workers, delivery, settle);
  }

  watch(delivery: Delivery): void {
    this.#watched.add(delivery);
  }

  forget(delivery: Delivery): void {
    this.#watched.delete(delivery);
  }

  /** Fires the signal of every delivery whose handler looks at it. */
  abort(reason: unknown): void {
    for (const delivery of this.#watched) delivery.abort(reason);
  }

  #fanOut(workers: readonly Worker[], delivery: Delivery, settle: Settle<Delivery>): void {
    const key = `${delivery.topic}/${delivery.partition}/${delivery.cursor}`;
    const succeeded = this.#succeeded.get(key) ?? new Set();
    const due = workers.filter((worker) => !succeeded.has(worker));
    let open = due.length;
    let failure: unknown;
    const finish = (): void => {
      if (failure === undefined) this.#succeeded.delete(key);
      else if (succeeded.size > 0) this.#remember(key, succeeded);
      settle(delivery, failure);
    };
    if (open === 0) finish();
    for (const worker of due)
      worker.handle(delivery, (reason) => {
        if (reason === undefined) succeeded.add(worker);
        else failure ??= reason;
        if (--open === 0) finish();
      });
  }

  /** Bounded: what is forgotten costs a handler a second call, never an event. */
  #remember(key: string, succeeded: Set<Worker>): void {
    if (this.#succeeded.size >= 10_000) this.#succeeded.delete(this.#succeeded.keys().next().value as string);
    this.#succeeded.set(key, succeeded);
  }
}
