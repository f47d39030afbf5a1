import type { Circuit } from './circuit.ts';

/** What a circuit is for. */
interface Place {
  readonly pattern: string;
  readonly group: string;
}

interface Entry extends Place {
  readonly circuit: Circuit;
  /** How many subscriptions of it are open. */
  subscriptions: number;
  /** Those and the ones that are about to open. */
  users: number;
}

const keyOf = ({ pattern, group }: Place): string => `${pattern} ${group}`;

/** The circuits of a kernel while it runs, one for each pattern and group. */
export class Circuits {
  readonly #entries = new Map<string, Entry>();

  /** The one of that place, for a subscription that opens; made by `make` for the first who asks. */
  at(place: Place, make: () => Circuit): Circuit {
    const key = keyOf(place);
    const entry = this.#entries.get(key) ?? { ...place, circuit: make(), subscriptions: 0, users: 0 };
    this.#entries.set(key, entry);
    entry.users++;
    return entry.circuit;
  }

  /** A subscription is open. */
  opened(place: Place): void {
    const entry = this.#entries.get(keyOf(place));
    if (entry) entry.subscriptions++;
  }

  /** A subscription has ended: with the last one the circuit goes, and its timer. */
  ended(place: Place): void {
    const key = keyOf(place);
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.subscriptions--;
    if (--entry.users > 0) return;
    this.#entries.delete(key);
    entry.circuit.stop();
  }

  /** Which are not closed, in words. One that nobody has a subscription for is no problem. */
  problems(): readonly string[] {
    return [...this.#entries.values()].flatMap(({ pattern, group, circuit, subscriptions }) => {
      const problem = subscriptions > 0 && circuit.problem();
      return problem ? `the circuit of ${pattern} in ${group} ${problem}` : [];
    });
  }

  stop(): void {
    for (const { circuit } of this.#entries.values()) circuit.stop();
    this.#entries.clear();
  }
}
