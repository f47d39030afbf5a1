import { randomUUID } from 'node:crypto';
import { type Emit, EventsError, type Store } from '@logistically/events-kernel';

const DONE = 'done';
/** What a released key holds for the millisecond until it is gone: a store compares and sets, it does not compare and delete. */
const FREE = 'free';

/** Who works under a claim, and is told when it is lost. */
interface Holder {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}

/** The right to work on what a key stands for. */
export interface Claim {
  readonly key: string;
  /** What the store holds: whose claim it is, and when it lapses unless it is renewed. */
  readonly value: string;
  /** When it was taken or last renewed, ms since the epoch. */
  renewed: number;
  renewing: boolean;
  /** Its work succeeded and the store could not be told yet. */
  done: boolean;
  holder: Holder | undefined;
}

/** What stands in the way of a claim: it is done, or somebody is at work, to be asked again after so many ms. */
type Met = typeof DONE | number;

interface ClaimsOptions {
  readonly store: () => Store;
  readonly emit: Emit;
  readonly leaseMs: number;
  /** How long a key is remembered as done, in ms. */
  readonly ttlMs: number;
}

/** Claims on keys of a store. All that are held are renewed by one timer, which runs only while there are any. */
export class Claims {
  readonly #options: ClaimsOptions;
  readonly #owner = randomUUID();
  readonly #held = new Set<Claim>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** A claim that is not taken yet. */
  create(key: string, holder?: Holder): Claim {
    const renewed = Date.now();
    const value = `claim ${renewed + this.#options.leaseMs} ${this.#owner}/${++this.#count}`;
    return { key, value, renewed, renewing: false, done: false, holder };
  }

  /** Takes it where nothing is known of its key; one step of the store. */
  async take(claim: Claim): Promise<boolean> {
    const { store, leaseMs } = this.#options;
    const taken = await store().setIfAbsent(claim.key, claim.value, { ttlMs: leaseMs });
    if (taken) this.#hold(claim);
    return taken;
  }

  /** Takes a claim that `take` could not, where that is possible by now; else tells what stands in the way. */
  async takeFreed(claim: Claim): Promise<Met | undefined> {
    const { store, leaseMs } = this.#options;
    const held = await store().get(claim.key);
    if (held === DONE) return DONE;
    const free = held === undefined || held === FREE;
    // Its own value: the store was told and the answer went astray.
    if (!free && held !== claim.value) return this.#restOf(held);
    // It changed since it was read: what was free may be gone by now, or somebody else's.
    if (free && !(await store().compareAndSet(claim.key, held, claim.value, { ttlMs: leaseMs })))
      return this.takeFreed(claim);
    this.#hold(claim);
    return undefined;
  }

  /** The work is done, whoever has the claim by now. Never rejects: what the store does not take is tried again. */
  async finish(claim: Claim): Promise<void> {
    claim.done = true;
    try {
      await this.#markDone(claim);
    } catch (reason) {
      this.#hold(claim);
      this.#options.emit('error', { source: 'idempotency', reason });
    }
  }

  /** The work is not done: somebody else may take it up at once. Never rejects: what the store does not take lapses. */
  async release(claim: Claim): Promise<void> {
    this.#held.delete(claim);
    try {
      await this.#options.store().compareAndSet(claim.key, claim.value, FREE, { ttlMs: 1 });
    } catch (reason) {
      this.#options.emit('error', { source: 'idempotency', reason });
    }
  }

  /** Releases what was claimed for a handler that has been told to stop: its event is free for others. */
  releaseAborted(): void {
    for (const claim of this.#held) if (!claim.done && claim.holder?.signal.aborted) void this.release(claim);
  }

  /** Gives up all that is held: marks as done what is, releases the rest. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await Promise.all([...this.#held].map((claim) => (claim.done ? this.finish(claim) : this.release(claim))));
    this.#held.clear();
  }

  /** As its value says; a claim that outlived that is renewed by somebody who lives. */
  #restOf(held: string): number {
    const { leaseMs } = this.#options;
    const rest = Number(held.split(' ')[1]) - Date.now();
    return rest > 0 ? Math.min(rest, leaseMs) : leaseMs / 2;
  }

  async #markDone(claim: Claim): Promise<void> {
    await this.#options.store().set(claim.key, DONE, { ttlMs: this.#options.ttlMs });
    this.#held.delete(claim);
  }

  #hold(claim: Claim): void {
    this.#held.add(claim);
    this.#timer ??= setInterval(() => this.#tick(), Math.ceil(this.#options.leaseMs / 4)).unref();
  }

  #tick(): void {
    const due = Date.now() - this.#options.leaseMs / 4;
    this.releaseAborted();
    for (const claim of this.#held) if (claim.renewed <= due && !claim.renewing) void this.#renew(claim);
    if (this.#held.size) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #renew(claim: Claim): Promise<void> {
    const { store, emit, leaseMs } = this.#options;
    const ttl = { ttlMs: leaseMs };
    claim.renewing = true;
    try {
      if (claim.done) return await this.#markDone(claim);
      const kept =
        (await store().compareAndSet(claim.key, claim.value, claim.value, ttl)) ||
        // Lapsed while the process stood still, or wiped, and nobody's since.
        (this.#held.has(claim) && !claim.done && (await store().setIfAbsent(claim.key, claim.value, ttl)));
      claim.renewed = Date.now();
      if (kept || claim.done || !this.#held.delete(claim)) return;
      const message = 'Its claim lapsed and somebody else works on the event: let handlers rest, or raise `leaseMs`.';
      claim.holder?.abort(new EventsError('EVENTS_IDEMPOTENCY_LOST', message));
      emit('notice', { plugin: 'idempotency', what: 'lost', detail: {} });
    } catch (reason) {
      emit('error', { source: 'idempotency', reason });
    } finally {
      claim.renewing = false;
    }
  }
}
