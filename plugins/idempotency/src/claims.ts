import { randomBytes } from 'node:crypto';
import { type Emit, EventsError, type Store } from '@logistically/events-kernel';

const DONE = 'done';
/** What a released key holds for the millisecond until it is gone: a store compares and sets, it does not compare and delete. */
const FREE = 'free';

/** Who meets a claim asks again after about as long as that is old, within these bounds. */
const SHORTEST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 500;
/** Between two tries to release what the store did not take. */
const RELEASE_AGAIN_MS = 250;

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
  /** The store is being told of it. */
  renewing: boolean;
  /** Its work succeeded and the store could not be told yet. */
  done: boolean;
  holder: Holder | undefined;
}

/** What stands in the way of a claim: it is done, or somebody is at work, to be asked again after so many ms. */
type Met = typeof DONE | number;

/** Work that is done, and whom to tell when the store knows. */
interface Finished {
  readonly claim: Claim;
  readonly told: () => void;
}

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
  readonly #owner = randomBytes(9).toString('base64url');
  readonly #held = new Set<Claim>();
  #finished: Finished[] = [];
  #telling = false;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** A claim that is not taken yet. */
  create(key: string, now: number, holder?: Holder): Claim {
    const value = `claim ${now + this.#options.leaseMs} ${this.#owner}/${++this.#count}`;
    return { key, value, renewed: now, renewing: false, done: false, holder };
  }

  /** Takes those of whose keys nothing is known, in few steps of the store. True for each that was taken. */
  async take(claims: readonly Claim[]): Promise<readonly boolean[]> {
    const { store, leaseMs } = this.#options;
    const taken = await this.#setIfAbsent(store(), claims, leaseMs);
    // The process stood still, and they may be somebody else's by now: each is looked at.
    if (Date.now() - (claims[0]?.renewed ?? 0) >= leaseMs) return claims.map(() => false);
    for (const [index, claim] of claims.entries()) if (taken[index]) this.#hold(claim);
    return taken;
  }

  /** Takes a claim that `take` could not, where that is possible by now; else tells what stands in the way. */
  async takeFreed(claim: Claim): Promise<Met | undefined> {
    const { store, leaseMs } = this.#options;
    const held = await store().get(claim.key);
    if (held === DONE) return DONE;
    const free = held === undefined || held === FREE;
    // Its own value: the store was told and the answer went astray.
    if (!free && held !== claim.value) return this.#waitFor(held);
    // It changed since it was read: what was free may be gone by now, or somebody else's.
    if (free && !(await store().compareAndSet(claim.key, held, claim.value, { ttlMs: leaseMs })))
      return this.takeFreed(claim);
    claim.renewed = Date.now();
    this.#hold(claim);
    return undefined;
  }

  /**
   * The work is done, whoever has the claim by now. `told` is called when the store knows it, together with what else was finished
   * meanwhile; also where the store does not take it: then it is tried again.
   */
  finish(claim: Claim, told: () => void): void {
    claim.done = true;
    this.#finished.push({ claim, told });
    if (this.#telling) return;
    this.#telling = true;
    // Handlers that end in one turn are told of in one command.
    queueMicrotask(() => void this.#tell());
  }

  /** The work is not done: somebody else may take it up at once. Never rejects: what the store does not take is tried again. */
  async release(claim: Claim): Promise<void> {
    this.#held.delete(claim);
    try {
      await this.#free(claim);
    } catch (reason) {
      this.#options.emit('error', { source: 'idempotency', reason });
      this.#releaseLater(claim);
    }
  }

  /** Releases what was claimed for a handler that has been told to stop: its event is free for others. */
  releaseAborted(): void {
    for (const claim of this.#held) if (!claim.done && claim.holder?.signal.aborted) void this.release(claim);
  }

  /** Gives up all that is held: marks as done what is, releases the rest. */
  async close(): Promise<void> {
    const held = [...this.#held];
    const done = held.filter((claim) => claim.done);
    const open = held.filter((claim) => !claim.done);
    await Promise.all([this.#markDone(done), ...open.map((claim) => this.release(claim))]);
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#held.clear();
  }

  /** Longer the older it is, as its value says, and no longer than it may last. One that outlived that is renewed by somebody who lives. */
  #waitFor(held: string): number {
    const restMs = Number(held.split(' ')[1]) - Date.now();
    const ageMs = this.#options.leaseMs - restMs;
    const waitMs = Math.min(Math.max(ageMs, SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
    return restMs > 0 ? Math.min(waitMs, restMs) : waitMs;
  }

  async #free({ key, value }: Claim): Promise<void> {
    await this.#options.store().compareAndSet(key, value, FREE, { ttlMs: 1 });
  }

  /** Until it lapses by itself. */
  #releaseLater(claim: Claim): void {
    if (Date.now() - claim.renewed > this.#options.leaseMs) return;
    setTimeout(() => this.#free(claim).catch(() => this.#releaseLater(claim)), RELEASE_AGAIN_MS).unref();
  }

  async #setIfAbsent(store: Store, claims: readonly Claim[], ttlMs: number): Promise<readonly boolean[]> {
    const [only] = claims;
    // The plain command of a single one is cheaper for the store.
    if (only && claims.length === 1) return [await store.setIfAbsent(only.key, only.value, { ttlMs })];
    return store.setMany(
      claims.map(({ key, value }) => [key, value] as const),
      { ttlMs, ifAbsent: true },
    );
  }

  async #tell(): Promise<void> {
    while (this.#finished.length > 0) {
      const finished = this.#finished;
      this.#finished = [];
      await this.#markDone(finished.map(({ claim }) => claim));
      for (const { told } of finished) {
        // One that throws must not keep the others from being told.
        try {
          told();
        } catch (reason) {
          this.#options.emit('error', { source: 'idempotency', reason });
        }
      }
    }
    this.#telling = false;
  }

  /** Never rejects: what the store does not take stays held, and is tried again. */
  async #markDone(claims: readonly Claim[]): Promise<void> {
    const [only] = claims;
    if (!only) return;
    const { store, emit, ttlMs } = this.#options;
    for (const claim of claims) claim.renewing = true;
    try {
      if (claims.length === 1) await store().set(only.key, DONE, { ttlMs });
      else
        await store().setMany(
          claims.map(({ key }) => [key, DONE] as const),
          { ttlMs },
        );
      for (const claim of claims) this.#held.delete(claim);
    } catch (reason) {
      for (const claim of claims) this.#hold(claim);
      emit('error', { source: 'idempotency', reason });
    } finally {
      for (const claim of claims) claim.renewing = false;
    }
  }

  #hold(claim: Claim): void {
    this.#held.add(claim);
    this.#timer ??= setInterval(() => this.#tick(), Math.ceil(this.#options.leaseMs / 4)).unref();
  }

  #tick(): void {
    const due = Date.now() - this.#options.leaseMs / 4;
    this.releaseAborted();
    const stale = [...this.#held].filter(({ renewed, renewing }) => renewed <= due && !renewing);
    void this.#markDone(stale.filter(({ done }) => done));
    for (const claim of stale) if (!claim.done) void this.#renew(claim);
    if (this.#held.size) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #renew(claim: Claim): Promise<void> {
    const { store, emit, leaseMs } = this.#options;
    const ttl = { ttlMs: leaseMs };
    claim.renewing = true;
    try {
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
