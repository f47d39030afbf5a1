import { check, type Fact, type Finding } from '@logistically/events-conformance';
import { type Arrival, GROUPS, idOf, keyOf, type Publication } from './load.ts';
import type { Incident } from './scenario.ts';

/** What happened in one run. All times in ms on the clock of the machine. */
export interface RunFacts {
  readonly incident: Incident;
  readonly publications: readonly Publication[];
  /** When the producer stopped publishing. */
  readonly endedAt: number;
  readonly arrivals: readonly Arrival[];
  /** The events that the servers had in the end, by id. */
  readonly stored: ReadonlySet<string>;
  /** What the groups had not settled when the time to drain was over. */
  readonly left: number;
  /** Processes that ended of themselves or did not stop. */
  readonly deaths: readonly string[];
}

/** What one run measured. Times in ms; infinite where what was waited for never came. */
export interface RunFigures {
  /** The longest time without a confirmation, from the fault on, in the partition that was worst off: of those that were hit … */
  readonly gapMs: number;
  /** … and of the others, where there are any. */
  readonly unaffectedGapMs?: number;
  /** From the new master until an event that was published after it came to the last group and partition that was hit. */
  readonly resumeMs?: number;
  readonly confirmed: number;
  readonly rejected: number;
  readonly rejections: Readonly<Record<string, number>>;
  /** Confirmed, and in the end no longer stored, or never handled by one of the groups. */
  readonly lost: number;
  /** Of those, published when the new master was there. */
  readonly lostLate: number;
  /** Of those, still stored and never handled by one of the groups. */
  readonly unhandled: number;
  /** Deliveries beyond the first of an event in a group. */
  readonly twice: number;
  /** First deliveries of confirmed events after a later one of their key. */
  readonly reordered: number;
  /** Deliveries of what a server wrote that was master once, and of what nobody published. */
  readonly stale: number;
  readonly left: number;
  readonly deaths: readonly string[];
  /** Some of what was found, each with where, to look at. */
  readonly examples: readonly string[];
}

const EXAMPLES = 20;

/**
 * The longest time without a confirmation that ends after `from`, or never. It begins at the last confirmation before, or, where
 * there is one, at `notBefore`.
 */
export const gapOf = (confirmations: readonly number[], from: number, notBefore: number, end: number): number => {
  let longest = 0;
  let before = notBefore;
  for (const at of [...confirmations].sort((a, b) => a - b)) {
    if (at > end) break;
    if (at > from) longest = Math.max(longest, at - Math.max(before, notBefore));
    before = at;
  }
  return Math.max(longest, end - Math.max(before, notBefore));
};

const resumeOf = (arrivals: readonly Arrival[], affected: readonly number[], upAt: number): number => {
  let slowest = 0;
  for (const group of GROUPS)
    for (const partition of affected) {
      let first = Number.POSITIVE_INFINITY;
      for (const { group: its, p, publishedAt, at } of arrivals)
        if (its === group && p === partition && publishedAt >= upAt) first = Math.min(first, at);
      slowest = Math.max(slowest, first - upAt);
    }
  return slowest;
};

/** What the checker needs to know. An event that was rejected has no key there: it has no place in the order. */
const factsOf = ({ publications, arrivals }: RunFacts): Fact[] => [
  ...[...publications]
    .sort((a, b) => a.n - b.n)
    .map(({ p, n, code }): Fact => {
      const id = idOf({ p, n });
      return code === undefined
        ? { fact: 'publish', id, key: keyOf({ p, n }) }
        : { fact: 'publish', id, confirmed: false };
    }),
  ...[...arrivals]
    .sort((a, b) => a.at - b.at)
    .flatMap(({ group, p, n }): Fact[] => {
      const handling = { id: idOf({ p, n }), group, consumer: group };
      return [
        { fact: 'deliver', ...handling },
        { fact: 'settle', ...handling },
      ];
    }),
];

const countedBy = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

/** Works out what a run measured. */
export const figuresOf = (run: RunFacts): RunFigures => {
  const { incident, publications, endedAt, arrivals, stored, left, deaths } = run;
  const { at, backAt = 0, upAt, affected } = incident;
  const confirmed = publications.filter(({ code }) => code === undefined);
  const rejected = publications.flatMap(({ code }) => (code === undefined ? [] : [code]));
  const gapsOf = (from: number, notBefore: number, isMeant: (partition: number) => boolean): number[] =>
    [...new Set(publications.map(({ p }) => p))].filter(isMeant).map((partition) =>
      gapOf(
        confirmed.flatMap(({ p, settledAt }) => (p === partition ? [settledAt] : [])),
        from,
        notBefore,
        endedAt,
      ),
    );
  const hit = gapsOf(backAt || at, backAt, (partition) => affected.includes(partition));
  const others = gapsOf(at, 0, (partition) => !affected.includes(partition));

  const facts = factsOf(run);
  const of = (wanted: string): Fact[] => facts.filter((fact) => !('group' in fact) || fact.group === wanted);
  const limit = Number.POSITIVE_INFINITY;
  const reports = GROUPS.map((group) =>
    check({ facts: of(group) }, { groups: [group], limit, ...(group === 'ordered' && { order: 'start' }) }),
  );
  const sum = (count: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  const unhandled = new Set(reports.flatMap(({ lost }) => lost.examples.map(({ id }) => id)));
  const lost = confirmed.filter((event) => unhandled.has(idOf(event)) || !stored.has(idOf(event)));
  return {
    gapMs: Math.max(...hit, ...(hit.length === 0 ? [Number.POSITIVE_INFINITY] : [])),
    ...(others.length > 0 && { unaffectedGapMs: Math.max(...others) }),
    ...(upAt !== undefined && { resumeMs: resumeOf(arrivals, affected, upAt) }),
    confirmed: confirmed.length,
    rejected: rejected.length,
    rejections: countedBy(rejected),
    lost: lost.length,
    lostLate: upAt === undefined ? 0 : lost.filter((event) => event.at >= upAt).length,
    unhandled: lost.filter((event) => unhandled.has(idOf(event)) && stored.has(idOf(event))).length,
    twice: sum(({ duplicated }) => duplicated.count),
    reordered: sum(({ reordered }) => reordered.count),
    stale: sum(({ phantom }) => phantom.count),
    left,
    deaths,
    examples: examplesOf(
      run,
      lost,
      reports.flatMap(({ reordered }) => reordered.examples),
    ),
  };
};

const examplesOf = (
  { incident: { at }, arrivals }: RunFacts,
  lost: readonly Publication[],
  reordered: readonly Finding[],
): string[] => {
  const arrivalOf = (id: string | undefined): string => {
    const first = arrivals.find((arrival) => arrival.group === 'ordered' && idOf(arrival) === id);
    return first
      ? `${id} came at ${(first.at - at).toFixed(1)} ms, published at ${(first.publishedAt - at).toFixed(1)} ms`
      : `${id}`;
  };
  return [
    ...lost.slice(0, EXAMPLES).map((event) => `lost ${idOf(event)}, published at ${(event.at - at).toFixed(1)} ms`),
    ...reordered
      .slice(0, EXAMPLES)
      .map(({ id, with: other }) => `reordered ${arrivalOf(id)}, after ${arrivalOf(other)}`),
  ];
};
