import type { ScenarioVerdict, Spread } from './verdict.ts';

/** What the last lines tell of a scenario. */
export interface Row extends ScenarioVerdict {
  readonly name: string;
}

const HEADS = [
  'scenario',
  'runs',
  'gap p50 / p95 / max, ms',
  'unaffected p95 / max, ms',
  'resume p50 / p95, ms',
  'rejected',
  'lost',
  'twice',
  'reordered',
  'verdict',
];

const cell = (spread: Spread | undefined, ...names: readonly (keyof Spread)[]): string =>
  spread === undefined
    ? '–'
    : names.map((name) => (Number.isFinite(spread[name]) ? Math.round(spread[name]) : 'never')).join(' / ');

/** All scenarios as a Markdown table. */
export const tableOf = (rows: readonly Row[]): string => {
  const lines = [
    HEADS,
    HEADS.map((_, index) => (index === 0 || index === HEADS.length - 1 ? '---' : '--:')),
    ...rows.map((row) => [
      row.name,
      row.runs,
      cell(row.gapMs, 'p50', 'p95', 'max'),
      cell(row.unaffectedGapMs, 'p95', 'max'),
      cell(row.resumeMs, 'p50', 'p95'),
      row.rejected,
      row.lost,
      row.twice,
      row.reordered,
      row.broken.length === 0 ? 'kept' : '**broken**',
    ]),
  ];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
};
