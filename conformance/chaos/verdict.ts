import { check } from '@logistically/events-conformance';
import type { DeadLetter } from '@logistically/events-dlq';
import { explain } from './explanation.ts';
import { type Entry, isFault } from './ledger.ts';
import { type Order, SERVICE } from './order.ts';

/** What was there in the end. */
export interface Outcome {
  readonly entries: readonly Entry[];
  /** The orders in the topic, one for each time that they were stored. */
  readonly stored: readonly Order[];
  /** Entries that were put into the topic and are no events. */
  readonly foreign: number;
  readonly letters: readonly DeadLetter[];
  /** How often each order had its effect. */
  readonly effects: ReadonlyMap<string, number>;
  /** What the broker still held when the time to drain was over. */
  readonly left: number;
  /** Processes that ended of themselves, and what they said. */
  readonly deaths: readonly string[];
}

export interface Verdict {
  readonly figures: Readonly<Record<string, number>>;
  /** What was promised and not kept. */
  readonly broken: readonly string[];
}

const EXAMPLES = 5;

const counted = <T>(keys: Iterable<T>): Map<T, number> => {
  const counts = new Map<T, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

/** Holds what happened against what is promised. */
export const judge = ({ entries, stored, foreign, letters, effects, left, deaths }: Outcome): Verdict => {
  const broken: string[] = [];
  const expectNone = (what: string, found: readonly unknown[]): void => {
    if (found.length > 0) broken.push(`${what}: ${found.length}, ${JSON.stringify(found.slice(0, EXAMPLES))}`);
  };

  const orders = new Map(stored.map((order) => [order.n, order]));
  const copies = counted(stored.map(({ n }) => n));
  const raw = letters.filter(({ envelope }) => envelope === undefined);
  const dead = counted(letters.flatMap(({ envelope }) => (envelope === undefined ? [] : [(envelope.body as Order).n])));

  const facts = entries.flatMap((entry) => (isFault(entry) ? [] : [entry]));
  const buried = [...dead.keys()].map((id) => ({ fact: 'dead-letter', id, group: SERVICE }) as const);
  const report = check({ facts: [...facts, ...buried] }, { groups: [SERVICE], limit: Number.POSITIVE_INFINITY });
  const twice = [...copies].flatMap(([n, count]) => (count > 1 ? [n] : []));
  const { explained, unexplained, copied } = explain(entries, twice);

  const confirmed = facts.flatMap((fact) => (fact.fact === 'publish' && fact.confirmed ? [fact.id] : []));
  expectNone(
    'confirmed and not stored',
    confirmed.filter((n) => !orders.has(n)),
  );
  expectNone(
    'lost',
    report.lost.examples.map(({ id }) => id),
  );
  expectNone(
    'handled and never published',
    report.phantom.examples.map(({ id }) => id),
  );
  expectNone('stored more than once without a fault that explains it', copied);
  expectNone('handled again without a fault that explains it', unexplained);

  const alive = stored.filter(({ poison }) => poison === undefined);
  const poison = stored.filter(({ poison }) => poison !== undefined);
  expectNone(
    'without its effect',
    alive.filter(({ n }) => !effects.has(n)).map(({ n }) => n),
  );
  expectNone(
    'with more than one effect',
    [...effects].filter(([, count]) => count > 1),
  );
  expectNone(
    'poison with an effect',
    poison.filter(({ n }) => effects.has(n)).map(({ n }) => n),
  );
  expectNone(
    'poison that is not among the dead letters as often as it was stored',
    [...new Set(poison.map(({ n }) => n))]
      .filter((n) => dead.get(n) !== copies.get(n))
      .map((n) => ({ n, stored: copies.get(n), dead: dead.get(n) ?? 0 })),
  );
  expectNone(
    'dead letters that are no poison',
    [...dead.keys()].filter((n) => orders.get(n)?.poison === undefined),
  );
  if (raw.length !== foreign) broken.push(`foreign entries: ${foreign} were stored, ${raw.length} are dead letters`);
  if (left > 0) broken.push(`not drained: ${left} events are left in the broker`);
  expectNone('processes that ended of themselves', deaths);

  return {
    figures: {
      published: new Set(confirmed).size,
      'stored twice': stored.length - orders.size,
      effects: effects.size,
      'dead letters': letters.length,
      'handled again': explained,
    },
    broken,
  };
};
