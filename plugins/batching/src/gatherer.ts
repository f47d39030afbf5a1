import { EventsError, type OutgoingEvent, type Path, pass, type Settle } from '@logistically/events-kernel';
import { type Batch, bytesOf, type Entry, type Epoch } from './entry.ts';
import type { Failures } from './failures.ts';
import { Lanes } from './lanes.ts';
import type { Settings } from './options.ts';
import { Queue } from './queue.ts';

interface Parts {
  readonly settings: Settings;
  readonly next: Path<OutgoingEvent>;
  readonly failures: Failures;
  readonly onError: (reason: unknown) => void;
}

/**
 * Events wait for room, then for company, then for their turn; then they are handed on, and settled one by one. One timer runs
 * while something waits for room or company.
 */
export class Gatherer {
  readonly #settings: Settings;
  readonly #next: Path<OutgoingEvent>;
  readonly #failures: Failures;
  readonly #onError: (reason: unknown) => void;
  readonly #waiting = new Queue<Entry>();
  readonly #lanes: Lanes;
  /** Batches that wait for their turn. */
  readonly #ready = new Queue<Batch>();
  readonly #underWay = new Set<Batch>();
  #epochs: Epoch[] = [{ open: 0, onDone: [] }];
  #state: 'open' | 'stopping' | 'closed' = 'open';
  #sending = false;
  /** Calls of `flush` that are not over: who is let in meanwhile waits for no company either. */
  #flushing = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires, in ms of `performance.now()`. */
  #due = Number.POSITIVE_INFINITY;
  /** Events in lanes and ready batches. */
  queued = 0;
  /** Payload bytes of all events that are not settled. */
  bytes = 0;
  /** Events that were handed on and are not settled. */
  inFlight = 0;

  constructor({ settings, next, failures, onError }: Parts) {
    this.#settings = settings;
    this.#next = next;
    this.#failures = failures;
    this.#onError = onError;
    this.#lanes = new Lanes(settings, this.#ready);
  }

  /** Events that wait for room. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Batches that were handed on and are not settled to the last event. */
  get batches(): number {
    return this.#underWay.size;
  }

  readonly path: Path<OutgoingEvent> = (batch, settle) => {
    for (const event of batch) this.#take(event, settle);
    if (this.#state === 'stopping') this.#lanes.cutAll();
    this.#send();
    this.#arm();
  };

  /** Hands on what is gathered; resolves when every event that was given until now is settled. */
  async flush(): Promise<void> {
    const open = this.#epochs.filter((epoch) => epoch.open > 0);
    const done = open.map((epoch) => new Promise<void>((resolve) => epoch.onDone.push(resolve)));
    this.#epochs = [...open, { open: 0, onDone: [] }];
    this.#flushing++;
    this.#lanes.cutAll();
    this.#send();
    await Promise.all(done);
    this.#flushing--;
  }

  /** From now on nothing waits for company. */
  stop(): void {
    if (this.#state === 'open') this.#state = 'stopping';
    this.#lanes.cutAll();
    this.#send();
  }

  /** Gives up what was not handed on. */
  close(): void {
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lanes.cutAll();
    const left: Entry[] = [];
    for (let batch = this.#ready.shift(); batch; batch = this.#ready.shift())
      // One by one: as arguments of one call a large batch would overflow the stack.
      for (const entry of batch.open.values()) left.push(entry);
    this.queued -= left.length;
    for (let entry = this.#waiting.shift(); entry; entry = this.#waiting.shift()) left.push(entry);
    for (const entry of left) this.#settle(entry, stopped());
  }

  /** Gives up what was handed on and not confirmed. */
  abandon(): void {
    this.close();
    for (const { open } of this.#underWay) {
      for (const entry of open.values()) {
        this.inFlight--;
        open.delete(entry.event);
        this.#settle(entry, unconfirmed());
      }
    }
    this.#underWay.clear();
  }

  #take(event: OutgoingEvent, settle: Settle<OutgoingEvent>): void {
    const { maxQueued, onFull, maxWaitForRoomMs } = this.#settings;
    const epoch = this.#epochs.at(-1) as Epoch;
    const entry: Entry = { event, settle, bytes: bytesOf(event), epoch, until: 0 };
    epoch.open++;
    this.bytes += entry.bytes;
    if (this.#state === 'closed') this.#settle(entry, stopped());
    else if (this.#makeRoom()) this.#gather(entry);
    else if (onFull === 'reject' || this.#waiting.size >= maxQueued) this.#settle(entry, this.#full());
    else {
      entry.until = performance.now() + maxWaitForRoomMs;
      this.#waiting.push(entry);
    }
  }

  /** Whether there is room. What is gathered goes before another would have to wait for it. */
  #makeRoom(): boolean {
    const { maxQueued, strategy } = this.#settings;
    if (this.queued < maxQueued) return true;
    if (strategy !== 'time') {
      this.#lanes.cutAll();
      this.#send();
    }
    return this.queued < maxQueued;
  }

  #gather(entry: Entry): void {
    this.queued++;
    this.#lanes.add(entry);
    if (this.#ready.size) this.#send();
  }

  /** Hands on what is ready, as many batches at a time as may be; what is called again from below leaves it to the first call. */
  #send(): void {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#underWay.size < this.#settings.maxConcurrentBatches) {
      const batch = this.#ready.shift();
      if (!batch) break;
      this.#handOn(batch);
    }
    this.#sending = false;
  }

  #handOn(batch: Batch): void {
    const events = [...batch.open.keys()];
    this.#underWay.add(batch);
    this.queued -= events.length;
    this.inFlight += events.length;
    // Before anybody else can take the room.
    this.#admit();
    const settle: Settle<OutgoingEvent> = (settled, reason) => {
      const entry = batch.entryOf(settled);
      if (!entry) return;
      batch.open.delete(entry.event);
      this.inFlight--;
      if (batch.open.size === 0) this.#underWay.delete(batch);
      this.#settle(entry, reason);
      if (batch.open.size === 0) this.#send();
    };
    pass(this.#next, events, settle);
  }

  /** Lets in, in turn, those who wait for room. */
  #admit(): void {
    while (this.#waiting.size && this.queued < this.#settings.maxQueued) {
      const entry = this.#waiting.shift() as Entry;
      this.queued++;
      this.#lanes.add(entry);
    }
    if (this.#state !== 'open' || this.#flushing || (this.#waiting.size && this.#settings.strategy !== 'time'))
      this.#lanes.cutAll();
    this.#arm();
  }

  #settle(entry: Entry, reason: unknown): void {
    const { event, epoch } = entry;
    this.bytes -= entry.bytes;
    this.#failures.settled(event, reason);
    try {
      entry.settle(event, reason);
    } catch (thrown) {
      // A layer that throws while it settles keeps none of the others from being settled.
      this.#onError(thrown);
    }
    if (--epoch.open === 0) for (const done of epoch.onDone.splice(0)) done();
  }

  /** Sets the timer, unless it is set to fire early enough. */
  #arm(): void {
    const company = this.#lanes.since + this.#settings.maxWaitMs;
    const due = Math.min(company, this.#waiting.first?.until ?? Number.POSITIVE_INFINITY);
    if (due === Number.POSITIVE_INFINITY || (this.#timer && this.#due <= due)) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(this.#ring, Math.max(0, Math.ceil(due - performance.now())));
  }

  readonly #ring = (): void => {
    this.#timer = undefined;
    const now = performance.now();
    this.#lanes.cutBefore(now - this.#settings.maxWaitMs);
    this.#send();
    while ((this.#waiting.first?.until ?? now + 1) <= now) {
      this.#settle(this.#waiting.shift() as Entry, this.#full());
    }
    this.#arm();
  };

  #full(): EventsError {
    const { maxQueued, maxWaitMs } = this.#settings;
    return new EventsError(
      'EVENTS_BATCHING_FULL',
      `${maxQueued} events wait to be sent (maxQueued). Publish more slowly, or find out why the transport is slow.`,
      { retryAfterMs: Math.max(1, maxWaitMs) },
    );
  }
}

const stopped = (): EventsError =>
  new EventsError('EVENTS_BATCHING_STOPPED', 'The kernel stopped before the event was sent: publish it again.');

const unconfirmed = (): EventsError =>
  new EventsError(
    'EVENTS_BATCHING_UNCONFIRMED',
    'The kernel stopped before the transport confirmed the event: it may be stored, or not.',
  );
