/** So long a server may deny it, in ms: one that was chosen is named before it is promoted, and promoted a little later. */
const PATIENCE_MS = 1000;

interface Named {
  readonly epoch: number;
  /** When it denied it first, ms since the epoch of Unix. */
  deniedAt?: number;
}

/** Servers that were followed since a sentinel named them as the master, and whether they are one. */
export class Refutations {
  readonly #named = new Map<string, Named>();
  readonly #patienceMs: number;

  /** Who waits for a server waits for `timeoutMs`: a name that leads nowhere must be given up before. */
  constructor(timeoutMs: number) {
    this.#patienceMs = Math.min(PATIENCE_MS, timeoutMs / 2);
  }

  /** The server at an address is followed, since it is named in this epoch. */
  follow(address: string, epoch: number): void {
    if (this.#named.get(address)?.epoch !== epoch) this.#named.set(address, { epoch });
  }

  /** It says that it is no master. */
  deny(address: string): void {
    const named = this.#named.get(address);
    if (named) named.deniedAt ??= Date.now();
  }

  /** It is a master after all. */
  forget(address: string): void {
    this.#named.delete(address);
  }

  /** Whether who names it, in the same epoch, is not to be believed. */
  holds(address: string, epoch: number): boolean {
    const { epoch: before, deniedAt = Number.POSITIVE_INFINITY } = this.#named.get(address) ?? {};
    return before === epoch && Date.now() - deniedAt > this.#patienceMs;
  }
}
