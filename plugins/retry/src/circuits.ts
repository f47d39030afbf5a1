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
}

const keyOf = ({ pattern, group }: Place): string => `${pattern} ${group}`;

/** The circuits of a kernel while it runs, one for each pattern and group. */
export class Circuits {
  readonly #entries = new Map<string, Entry>();

  /** The one of that place; made by `make` for the first who asks. */
  at(place: Place, make: () => Circuit): Circuit {
    const key = keyOf(place);
    const entry = this.#entries.get(key) ?? { ...place, circuit: make(), subscriptions: 0 };
    this.#entries.set(key, entry);
    return entry.circuit;
  }

  /** A subscription was opened (1) or ended (-1). */
  count(place: Place, by: 1 | -1): void {
    const entry = this.#entries.get(keyOf(place));
    if (entry) entry.subscriptions += by;
  }

  /** Which are not closed, in words. One that nobody has a subscription for any more is no problem. */
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
