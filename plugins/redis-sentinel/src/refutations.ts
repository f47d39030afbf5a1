/** So often a server must deny it: one that is being promoted does not know it at first. */
const TIMES = 5;

/** Servers that a sentinel named as the master, and that are none. */
export class Refutations {
  readonly #refuted = new Map<string, { readonly epoch: number; readonly times: number }>();

  /** The server at an address, named in some epoch, said that it is no master. */
  note(address: string, epoch: number): void {
    const before = this.#refuted.get(address);
    this.#refuted.set(address, { epoch, times: before?.epoch === epoch ? before.times + 1 : 1 });
  }

  /** Whether who names it, in the same epoch, is not to be believed. */
  holds(address: string, epoch: number): boolean {
    const refuted = this.#refuted.get(address);
    return refuted !== undefined && refuted.epoch === epoch && refuted.times >= TIMES;
  }
}
