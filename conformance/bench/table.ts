import { MEASURES, type Measure } from './measure.ts';
import { type BarResult, type CaseResult, type Ratio, sign, type VariantResult } from './result.ts';

type Row = readonly string[];

/** Text in columns: the first flush left, the others flush right. */
export const columns = (rows: readonly Row[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: Row): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return rows.map((row) => `  ${line(row).trimEnd()}`).join('\n');
};

const count = (value: number): string => Math.round(value).toLocaleString('en-US');
const digits = (value: number): string => value.toFixed(value < 10 ? 2 : 1);

const ratioText = ({ median, min, max }: Ratio): string => `${digits(median)} (${digits(min)}-${digits(max)})`;

const clientText = (clientUs: VariantResult['clientUs']): string => Object.values(clientUs).map(digits).join(' + ');

const variantTable = ({ variants }: CaseResult): string => {
  const measures = Object.keys(variants[0]?.figures ?? {}) as Measure[];
  const roles = Object.keys(variants[0]?.clientUs ?? {});
  const local = variants.every(({ serverUs }) => serverUs === 0);
  const head = [
    '',
    ...measures.flatMap((measure) => [MEASURES[measure].title, 'ratio (min-max)']),
    `CPU µs ${roles.join(' + ')}`,
    ...(local ? [] : ['redis']),
  ];
  const rows = variants.map(({ name, figures, ratios, clientUs, serverUs }, index) => [
    name,
    ...measures.flatMap((measure) => [
      count(figures[measure] ?? Number.NaN),
      index === 0 ? '1' : ratioText(ratios[measure] as Ratio),
    ]),
    clientText(clientUs),
    ...(local ? [] : [digits(serverUs)]),
  ]);
  return columns([head, ...rows]);
};

/** A case: every variant with its figures, and the CPU time of each process per event. */
export const caseTable = (result: CaseResult): string =>
  `${result.id}  ${result.what}; ${count(result.events)} events, rounds: ${result.rounds}\n${variantTable(result)}\n`;

const VERDICTS = { goal: 'goal reached', floor: 'floor reached', below: 'BELOW', shown: '' } as const;

const barRow = ({ variants }: CaseResult, { id, measure, floor, goal, ratio, verdict }: BarResult): Row => {
  const bar = (value: number | undefined): string => (value === undefined ? '' : `${sign(measure)} ${value}`);
  const [reference, subject] = variants;
  const raw = [subject, reference].map((variant) => count(variant?.figures[measure] ?? Number.NaN));
  return [
    id,
    digits(ratio),
    bar(floor),
    bar(goal),
    VERDICTS[verdict],
    ...raw,
    MEASURES[measure].title,
    reference?.name ?? '',
  ];
};

/** All bars: the ratio of the medians of ours to the reference's, beside what is promised and what both really did. */
export const barTable = (results: readonly CaseResult[]): string =>
  columns([
    ['bar', 'ratio', 'floor', 'goal', 'verdict', 'ours', 'reference', 'unit', 'reference is'],
    ...results.flatMap((result) => result.bars.map((bar) => barRow(result, bar))),
  ]);
