import { describe, expect, test } from 'vitest';
import { figuresOf, gapOf, type RunFacts, type RunFigures } from '../chaos/ha/figures.ts';
import { type Arrival, GROUPS, idOf, type Publication, STALE } from '../chaos/ha/load.ts';
import type { Promises } from '../chaos/ha/scenario.ts';
import { tableOf } from '../chaos/ha/table.ts';
import { judge } from '../chaos/ha/verdict.ts';

/** Two partitions, an event each every 10 ms from 0 to 1000; confirmed after 1 ms, in both groups after 2 ms. */
const publications: readonly Publication[] = Array.from({ length: 200 }, (_, index) => {
  const at = Math.floor(index / 2) * 10;
  return { p: index % 2, n: Math.floor(index / 2), at, settledAt: at + 1 };
});
const arrivalsOf = (published: readonly Publication[]): Arrival[] =>
  GROUPS.flatMap((group) => published.map(({ p, n, at }) => ({ group, p, n, publishedAt: at, at: at + 2 })));

const facts = (changes: Partial<RunFacts> = {}): RunFacts => ({
  incident: { at: 500, affected: [0] },
  publications,
  endedAt: 1000,
  arrivals: arrivalsOf(publications),
  stored: new Set(publications.map(idOf)),
  left: 0,
  deaths: [],
  ...changes,
});
const isIn =
  (from: number, to: number, p = 0) =>
  (event: { readonly p: number; readonly n: number }) =>
    event.p === p && event.n >= from && event.n <= to;
const without = <T extends { readonly p: number; readonly n: number }>(
  all: readonly T[],
  is: (event: T) => boolean,
): T[] => all.filter((event) => !is(event));

describe('a gap', () => {
  test.each<[string, readonly number[], number, number, number, number]>([
    ['begins at the last confirmation before the fault', [100, 480, 900, 950], 500, 0, 1000, 420],
    ['is the longest after the fault', [100, 490, 510, 900, 950], 500, 0, 1000, 390],
    ['before the fault does not count', [100, 490, 510], 500, 0, 520, 20],
    ['begins when something can work again', [100, 480, 900, 950], 600, 600, 1000, 300],
    ['ends with the publishing', [100, 480], 500, 0, 1000, 520],
    ['is everything where nothing was confirmed', [], 500, 500, 1000, 500],
  ])('%s', (_, confirmations, from, notBefore, end, expected) => {
    expect(gapOf(confirmations, from, notBefore, end)).toBe(expected);
  });
});

test('what went well is counted as such', () => {
  expect(figuresOf(facts({ incident: { at: 500, upAt: 600, affected: [0] } }))).toEqual({
    gapMs: 10,
    unaffectedGapMs: 10,
    resumeMs: 2,
    confirmed: 200,
    rejected: 0,
    rejections: {},
    lost: 0,
    lostLate: 0,
    unhandled: 0,
    twice: 0,
    reordered: 0,
    stale: 0,
    left: 0,
    deaths: [],
    examples: [],
  });
});

describe('a run measures', () => {
  const rejected = publications.map((event) => (isIn(50, 69)(event) ? { ...event, code: 'EVENTS_X' } : event));
  const arrivals = arrivalsOf(publications);
  const first = arrivals[0] as Arrival;
  const swapped = arrivals.map((arrival) =>
    arrival.group === 'ordered' && isIn(10, 10)(arrival) ? { ...arrival, at: arrival.at + 100 } : arrival,
  );
  const incident = { at: 500, upAt: 600, affected: [0] };
  test.each<[string, Partial<RunFacts>, Partial<RunFigures>]>([
    [
      'the gap of the partitions that were hit, and not of the others',
      { publications: rejected },
      { gapMs: 210, unaffectedGapMs: 10, rejected: 20, rejections: { EVENTS_X: 20 } },
    ],
    [
      'the gap of the others',
      { publications: rejected, incident: { at: 500, affected: [1] } },
      { gapMs: 10, unaffectedGapMs: 210 },
    ],
    [
      'no gap before something can work again',
      { publications: rejected, incident: { at: 500, backAt: 650, affected: [0, 1] } },
      { gapMs: 51 },
    ],
    [
      'the slowest group and partition that came back',
      { incident, arrivals: without(arrivals, (event) => event.group === 'ordered' && isIn(60, 79)(event)) },
      { resumeMs: 202 },
    ],
    [
      'not what was published before the new master and came after it',
      { incident, arrivals: arrivals.map((each) => (isIn(50, 99)(each) ? { ...each, at: each.at + 110 } : each)) },
      { resumeMs: 112 },
    ],
    [
      'one that never came back',
      { incident, arrivals: without(arrivals, isIn(60, 99)) },
      { resumeMs: Number.POSITIVE_INFINITY },
    ],
    [
      'what is confirmed and not stored any more, although it was handled',
      { stored: new Set(without(publications, isIn(48, 49)).map(idOf)), incident },
      { lost: 2, lostLate: 0, unhandled: 0 },
    ],
    [
      'what the new master confirmed and has not',
      { stored: new Set(without(publications, isIn(59, 60)).map(idOf)), incident },
      { lost: 2, lostLate: 1 },
    ],
    [
      'what is stored and was never handled by one of the groups',
      { arrivals: without(arrivals, (event) => event.group === 'shared' && isIn(3, 5)(event)) },
      { lost: 3, unhandled: 3 },
    ],
    ['what came twice', { arrivals: [...arrivals, { ...first, at: 900 }] }, { twice: 1, reordered: 0 }],
    ['what came after a later one of its key', { arrivals: swapped }, { reordered: 1 }],
    [
      'no disorder of what was rejected',
      { arrivals: swapped, publications: publications.map((e) => (isIn(10, 10)(e) ? { ...e, code: 'EVENTS_X' } : e)) },
      { reordered: 0, rejected: 1 },
    ],
    ['what nobody published', { arrivals: [...arrivals, { ...first, n: STALE, at: 900 }] }, { stale: 1 }],
    [
      'no order among competitors',
      { arrivals: swapped.map((a) => ({ ...a, group: otherOf(a.group) })) },
      { reordered: 0 },
    ],
  ])('%s', (_, changes, expected) => {
    expect(figuresOf(facts(changes))).toMatchObject(expected);
  });
});

const otherOf = (group: Arrival['group']): Arrival['group'] => (group === 'ordered' ? 'shared' : 'ordered');

const good: RunFigures = figuresOf(facts({ incident: { at: 500, upAt: 600, affected: [0] } }));
const promises: Promises = { gapMs: 3500, unaffectedGapMs: 1000, resumeMs: 1000, lost: 'none' };
const runsOf = (...bad: Partial<RunFigures>[]): RunFigures[] => [
  ...bad.map((changes) => ({ ...good, ...changes })),
  ...Array.from({ length: 20 - bad.length }, () => good),
];

test('what was kept is not called broken', () => {
  expect(judge(promises, runsOf())).toMatchObject({ runs: 20, gapMs: { p50: 10, p95: 10, max: 10 }, broken: [] });
});

describe('is broken:', () => {
  test.each<[string, Partial<RunFigures>[]]>([
    ['publish gap: p95 3501 ms, promised 3500 ms', [{ gapMs: 3501 }, { gapMs: 4000 }]],
    [
      'publish gap: p95 never, promised 3500 ms',
      [{ gapMs: Number.POSITIVE_INFINITY }, { gapMs: Number.POSITIVE_INFINITY }],
    ],
    ['publish gap: p95 never, promised 3500 ms', runsOf().map(() => ({ gapMs: Number.NaN }))],
    [
      'publish gap of partitions that were not hit: p95 1001 ms',
      [{ unaffectedGapMs: 1001 }, { unaffectedGapMs: 1002 }],
    ],
    ['consumers resume: p95 1001 ms', [{ resumeMs: 1001 }, { resumeMs: 1001 }]],
    ['confirmed and lost: 1', [{ lost: 1 }]],
    ['confirmed by the new master and lost: 1', [{ lostLate: 1 }]],
    ['confirmed, stored and never handled: 2', [{ unhandled: 2 }]],
    ['reordered within a key: 3', [{ reordered: 1 }, { reordered: 2 }]],
    ['delivered and never published: 1', [{ stale: 1 }]],
    ['left in the broker: 1', [{ left: 1 }]],
    ['a process ended of itself: producer', [{ deaths: ['producer'] }]],
    ['runs without a single confirmation: 1', [{ confirmed: 0 }]],
  ])('%s', (what, bad) => {
    expect(judge(promises, runsOf(...bad)).broken).toContainEqual(expect.stringContaining(what));
  });

  test('one value of twenty above the limit is not the p95', () => {
    expect(judge(promises, runsOf({ gapMs: 9000, unaffectedGapMs: 9000, resumeMs: 9000 })).broken).toEqual([]);
  });

  test('a time that was promised and not measured', () => {
    const { resumeMs: _, ...rest } = good;
    expect(judge(promises, [rest, good]).broken).toEqual(['consumers resume: not measured in 1 runs']);
  });

  test('a run that could not be made, and nothing at all', () => {
    expect(judge(promises, [good], ['no server']).broken).toEqual(['a run could not be made: no server']);
    expect(judge(promises, []).broken).toEqual(['nothing was measured']);
  });
});

describe('a loss', () => {
  test('is only reported where nothing else was promised', () => {
    const verdict = judge({ ...promises, lost: 'reported' }, runsOf({ lost: 7 }, { lost: 2 }));
    expect(verdict).toMatchObject({ lost: 9, broken: [] });
  });

  test('has to be seen where there must be one', () => {
    expect(judge({ ...promises, lost: 'some' }, runsOf({ lost: 7 })).broken).toEqual([]);
    expect(judge({ ...promises, lost: 'some' }, runsOf()).broken).toEqual([
      expect.stringContaining('cannot see a loss'),
    ]);
  });
});

test('the table hides nothing', () => {
  const kept = { name: 'some/fault', ...judge(promises, runsOf({ rejected: 2, twice: 3 })) };
  const { unaffectedGapMs: _, resumeMs: __, ...rest } = good;
  const never = { ...rest, gapMs: Number.POSITIVE_INFINITY, lost: 4 };
  const broken = { name: 'other/fault', ...judge({ gapMs: 1, lost: 'none' }, [never]) };
  expect(tableOf([kept, broken]).split('\n').slice(2)).toEqual([
    '| some/fault | 20 | 10 / 10 / 10 | 10 / 10 | 2 / 2 | 2 | 0 | 3 | 0 | kept |',
    '| other/fault | 1 | never / never / never | – | – | 0 | 4 | 0 | 0 | **broken** |',
  ]);
});
