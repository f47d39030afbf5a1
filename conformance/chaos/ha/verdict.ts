import type { RunFigures } from './figures.ts';
import type { Promises } from './scenario.ts';

/** What some runs of one scenario amount to. */
export interface ScenarioVerdict {
  readonly runs: number;
  readonly gapMs: Spread;
  readonly unaffectedGapMs: Spread | undefined;
  readonly resumeMs: Spread | undefined;
  readonly rejected: number;
  readonly lost: number;
  readonly twice: number;
  readonly reordered: number;
  /** What was promised and not kept. */
  readonly broken: readonly string[];
}

export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** The nearest rank: with 20 values the p95 is the second largest. */
const spreadOf = (values: readonly number[]): Spread => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
};

const ms = (value: number): string => (Number.isFinite(value) ? `${Math.round(value)} ms` : 'never');

/** Holds the runs of a scenario against what is promised. `failures`: runs that could not be made, and why. */
export const judge = (
  promises: Promises,
  runs: readonly RunFigures[],
  failures: readonly string[] = [],
): ScenarioVerdict => {
  const broken: string[] = failures.map((failure) => `a run could not be made: ${failure}`);
  const sum = (count: (run: RunFigures) => number): number => runs.reduce((total, run) => total + count(run), 0);
  const within = (what: string, values: readonly number[], limit: number | undefined): Spread | undefined => {
    const spread = values.length > 0 ? spreadOf(values) : undefined;
    if (limit === undefined || runs.length === 0) return spread;
    if (values.length < runs.length) broken.push(`${what}: not measured in ${runs.length - values.length} runs`);
    // Not `>`, for which NaN would do.
    if (spread && !(spread.p95 <= limit)) broken.push(`${what}: p95 ${ms(spread.p95)}, promised ${ms(limit)}`);
    return spread;
  };
  const none = (what: string, count: number): void => {
    if (count > 0) broken.push(`${what}: ${count}`);
  };
  const measured = (of: (run: RunFigures) => number | undefined): number[] =>
    runs.map(of).filter((value) => value !== undefined);

  if (runs.length === 0) broken.push('nothing was measured');
  const gap = within(
    'publish gap',
    runs.map(({ gapMs }) => gapMs),
    promises.gapMs,
  );
  const unaffected = within(
    'publish gap of partitions that were not hit',
    measured(({ unaffectedGapMs }) => unaffectedGapMs),
    promises.unaffectedGapMs,
  );
  const resume = within(
    'consumers resume',
    measured(({ resumeMs }) => resumeMs),
    promises.resumeMs,
  );
  const lost = sum((run) => run.lost);
  if (promises.lost === 'none') none('confirmed and lost', lost);
  if (promises.lost === 'some' && lost === 0) broken.push('nothing was lost: the harness cannot see a loss');
  none(
    'confirmed by the new master and lost',
    sum((run) => run.lostLate),
  );
  none(
    'confirmed, stored and never handled',
    sum((run) => run.unhandled),
  );
  none(
    'reordered within a key',
    sum((run) => run.reordered),
  );
  none(
    'delivered and never published',
    sum((run) => run.stale),
  );
  none(
    'left in the broker',
    sum((run) => run.left),
  );
  none('runs without a single confirmation', runs.filter(({ confirmed }) => confirmed === 0).length);
  for (const death of runs.flatMap(({ deaths }) => deaths)) broken.push(`a process ended of itself: ${death}`);
  const nothing = { p50: Number.NaN, p95: Number.NaN, max: Number.NaN };
  return {
    runs: runs.length,
    gapMs: gap ?? nothing,
    unaffectedGapMs: unaffected,
    resumeMs: resume,
    rejected: sum((run) => run.rejected),
    lost,
    twice: sum((run) => run.twice),
    reordered: sum((run) => run.reordered),
    broken,
  };
};
