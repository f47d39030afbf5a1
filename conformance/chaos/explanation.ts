import { type Entry, type Fault, isFault } from './ledger.ts';

/** How long after a success its acknowledgement may still be on its way, in ms. */
const SETTLING_MS = 2000;

interface Handling {
  readonly consumer: string;
  readonly from: number;
  /** Its success; undefined while it runs, or where it was never heard of again. */
  settled: number | undefined;
}

/** An event that was handled again, after a success or during another handling, and no fault tells why. */
export interface Unexplained {
  readonly id: string;
  readonly what: 'after settled' | 'at the same time';
  readonly first: string;
  readonly second: string;
  readonly at: number;
}

export interface Explanation {
  /** Orders that were stored more than once, and no fault tells why. */
  readonly copied: readonly string[];
  /** Handlings beyond the first success, or beside another one, which a fault of the first explains. */
  readonly explained: number;
  readonly unexplained: readonly Unexplained[];
}

/**
 * Whether each second handling of an event has a fault for a reason: one that hit the first handler, or the server, between its
 * start and the moment when its success must have been acknowledged; or one that kept the second, which had been given the event
 * before, from beginning until then. And whether each order that was stored more than once (`copies`) lost an answer: a fault hit
 * its producer, or the server, until it was confirmed.
 */
export const explain = (entries: readonly Entry[], copies: Iterable<string>): Explanation => {
  const faults: Fault[] = [];
  const handlings = new Map<string, Handling[]>();
  const publishing = new Map<string, readonly number[]>();
  const unexplained: Unexplained[] = [];
  let explained = 0;
  for (const entry of entries) if (isFault(entry)) faults.push(entry);

  const hits = (who: string, from: number, to: number): boolean =>
    faults.some((fault) => (fault.of ?? who) === who && fault.from <= to && fault.to >= from);

  for (const entry of entries) {
    if (isFault(entry)) continue;
    if (entry.fact === 'publish') publishing.set(entry.id, [...(publishing.get(entry.id) ?? []), entry.at]);
    else if (entry.fact === 'deliver') {
      const before = handlings.get(entry.id) ?? [];
      const first = before.at(-1);
      if (first) {
        const until = first.settled === undefined ? entry.at : Math.min(entry.at, first.settled + SETTLING_MS);
        const isExplained = hits(first.consumer, first.from, until) || hits(entry.consumer, first.from, entry.at);
        if (isExplained) explained++;
        else
          unexplained.push({
            id: entry.id,
            what: first.settled === undefined ? 'at the same time' : 'after settled',
            first: first.consumer,
            second: entry.consumer,
            at: entry.at,
          });
      }
      handlings.set(entry.id, [...before, { consumer: entry.consumer, from: entry.at, settled: undefined }]);
    } else if (entry.fact === 'settle') {
      const own = handlings.get(entry.id)?.findLast(({ consumer }) => consumer === entry.consumer);
      if (own) own.settled = entry.at;
    } else if (entry.fact === 'fail') {
      // A failure ends a handling: another one has to come.
      const rest = handlings
        .get(entry.id)
        ?.filter(({ consumer, settled }) => consumer !== entry.consumer || settled !== undefined);
      if (rest) handlings.set(entry.id, rest);
    }
  }
  const copied = [...copies].filter((id) => {
    const [from = 0, to = Number.POSITIVE_INFINITY] = publishing.get(id) ?? [];
    return !hits(id.slice(0, id.lastIndexOf('-')), from, to);
  });
  return { explained, unexplained, copied };
};
