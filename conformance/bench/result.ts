import { type BenchCase, variantsOf } from './case.ts';
import { type Bar, MEASURES, type Measure, reaches } from './measure.ts';
import type { Turn } from './session.ts';
import { median } from './statistics.ts';

/** A ratio to the reference: the median over the rounds, and how far the rounds lie apart. */
export interface Ratio {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface VariantResult {
  readonly name: string;
  /** Medians over the rounds, by measure. */
  readonly figures: Readonly<Record<string, number>>;
  /** To the reference of the same round, by measure. */
  readonly ratios: Readonly<Record<string, Ratio>>;
  /** CPU per event in µs, by role. */
  readonly clientUs: Readonly<Record<string, number>>;
  /** CPU per event in µs. */
  readonly serverUs: number;
  /** CPU per event of all clients, to the reference of the same round. */
  readonly clientRatio: Ratio;
}

export type Verdict = 'goal' | 'floor' | 'below' | 'shown';

export interface BarResult extends Bar {
  readonly ratio: number;
  readonly verdict: Verdict;
}

export interface CaseResult {
  readonly id: string;
  readonly what: string;
  readonly events: number;
  readonly rounds: number;
  readonly variants: readonly VariantResult[];
  readonly bars: readonly BarResult[];
  /** Every round: by variant, what was measured. */
  readonly raw: readonly (readonly Turn[])[];
}

const figureOf = (turn: Turn, measure: Measure, events: number): number =>
  measure === 'rate' ? (events / turn.wallUs) * 1e6 : (turn.figures[measure] ?? Number.NaN);

const clientOf = ({ clientUs }: Turn): number => Object.values(clientUs).reduce((total, us) => total + us, 0);

const verdictOf = ({ measure, floor, goal }: Bar, ratio: number): Verdict => {
  if (goal !== undefined && reaches(measure, ratio, goal)) return 'goal';
  if (floor !== undefined) return reaches(measure, ratio, floor) ? 'floor' : 'below';
  return goal === undefined ? 'shown' : 'below';
};

/** What the rounds of a case amount to. */
export const summarize = (benchCase: BenchCase, raw: readonly (readonly Turn[])[], events: number): CaseResult => {
  const { id, what, bars } = benchCase;
  const measures = [...new Set(bars.map(({ measure }) => measure))];
  const ratioOf = (variant: number, value: (turn: Turn) => number): Ratio => {
    const ratios = raw.map((turns) => value(turns[variant] as Turn) / value(turns[0] as Turn));
    return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
  };
  const variants = variantsOf(benchCase).map(({ name, parts }, variant): VariantResult => {
    const turns = raw.map((round) => round[variant] as Turn);
    const perEvent = (value: (turn: Turn) => number): number => median(turns.map((turn) => value(turn) / events));
    return {
      name,
      figures: Object.fromEntries(
        measures.map((name) => [name, median(turns.map((turn) => figureOf(turn, name, events)))]),
      ),
      ratios: Object.fromEntries(
        measures.map((name) => [name, ratioOf(variant, (turn) => figureOf(turn, name, events))]),
      ),
      clientUs: Object.fromEntries(
        Object.keys(parts).map((role) => [role, perEvent((turn) => turn.clientUs[role] ?? 0)]),
      ),
      serverUs: perEvent((turn) => turn.serverUs),
      clientRatio: ratioOf(variant, clientOf),
    };
  });
  const judged = bars.map((bar): BarResult => {
    const ratio = variants[1]?.ratios[bar.measure]?.median ?? Number.NaN;
    return { ...bar, ratio, verdict: verdictOf(bar, ratio) };
  });
  return { id, what, events, rounds: raw.length, variants, bars: judged, raw };
};

/** Whether a promise is broken. */
export const isBelowFloor = ({ floor, measure, ratio }: BarResult): boolean =>
  floor !== undefined && !reaches(measure, ratio, floor);

export const sign = (measure: Measure): string => (MEASURES[measure].better === 'higher' ? '>=' : '<=');
