/** So long a server may deny it, in ms: one that was chosen is named before it is promoted, and promoted a little later. */
const PATIENCE_MS = 3000;

/** Servers that a sentinel named as the master, and that are none. */
export class Refutations {
  readonly #denied = new Map<string, { readonly epoch: number; readonly since: number }>();

  /** The server at an address, named in some epoch, says that it is no master. */
  note(address: string, epoch: number): void {
    if (this.#denied.get(address)?.epoch !== epoch) this.#denied.set(address, { epoch, since: Date.now() });
  }

  /** It is a master after all. */
  forget(address: string): void {
    this.#denied.delete(address);
  }

  /** Whether who names it, in the same epoch, is not to be believed. */
  holds(address: string, epoch: number): boolean {
    const denied = this.#denied.get(address);
    return denied?.epoch === epoch && Date.now() - denied.since > PATIENCE_MS;
  }
}
