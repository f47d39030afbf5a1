import { isEventsError } from '@logistically/events-kernel';
import type { DeadLetter } from '../letter.ts';
import type { DlqStats } from '../listing.ts';
import type { RemovalReport } from '../removal.ts';
import { printable } from './printable.ts';

/** A letter without the event itself, which may hold what not everybody should see. */
export type Summary = Omit<DeadLetter, 'envelope' | 'payload'>;

export const summaryOf = ({ envelope: _, payload: __, ...summary }: DeadLetter): Summary => summary;

const SHOWN_OUTCOMES = 20;

/** Text as it is, bytes in base64. */
const payloadOf = (payload: DeadLetter['payload']): string =>
  typeof payload === 'string' ? payload : Buffer.from(payload).toString('base64');

/** One line. */
export const json = (value: object): string => printable(JSON.stringify(value));

/** Columns as wide as their widest cell; lines end at `width`. */
const table = (rows: readonly (readonly string[])[], width: number): string => {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] as number)).join('  '))
    .map((line) => line.trimEnd())
    .map((line) => (line.length > width ? `${line.slice(0, Math.max(width - 1, 0))}…` : line))
    .join('\n');
};

const cell = (value: unknown): string => printable(String(value ?? '-'));

/** `width`: of the terminal, in characters. */
export const lettersView = (letters: readonly Summary[], next: string | undefined, width: number): string => {
  if (letters.length === 0) return 'There are none.';
  const rows = letters.map(({ id, class: of, error, attempts, failedAt }) =>
    [id, of, error.code, attempts, failedAt, error.message].map(cell),
  );
  const more = next === undefined ? '' : `\n\nThere are more: --after ${cell(next)}`;
  return `${table([['ID', 'CLASS', 'CODE', 'ATTEMPTS', 'FAILED AT', 'MESSAGE'], ...rows], width)}${more}`;
};

const pairs = (fields: Readonly<Record<string, unknown>>): string =>
  table(
    Object.entries(fields).map(([name, value]) => [cell(name), cell(value)]),
    Infinity,
  );

export const letterView = (letter: DeadLetter, withPayload: boolean): string => {
  const { id, dlqTopic, notes, payload, redrives } = letter;
  // `topic` where it goes when it is sent again; a note of that name is what was written.
  const { topic, type, class: of, group, attempts, firstFailedAt, failedAt } = letter;
  const known = { topic, type, class: of, group, attempts, redrives, firstFailedAt, failedAt };
  const text = pairs({ id, dlqTopic, ...known, ...notes });
  return withPayload ? `${text}\n\n${printable(payloadOf(payload))}` : text;
};

export const letterJson = (letter: DeadLetter, withPayload: boolean): string =>
  json({ ...summaryOf(letter), ...(withPayload && { payload: payloadOf(letter.payload) }) });

export const statsView = (stats: DlqStats, width: number): string => {
  const { depth, oldest, byClass, byFingerprint, truncated } = stats;
  const head = pairs({ letters: `${depth}${truncated ? ' or more' : ''}`, oldest });
  const classes = Object.entries(byClass).map(([of, count]) => [cell(of), String(count)]);
  const causes = byFingerprint.map(({ fingerprint, count, message }) => [
    cell(fingerprint),
    cell(count),
    cell(message),
  ]);
  if (depth === 0) return head;
  return [
    head,
    table([['CLASS', 'LETTERS'], ...classes], width),
    table([['FINGERPRINT', 'LETTERS', 'FIRST MESSAGE'], ...causes], width),
  ].join('\n\n');
};

const reasonOf = (reason: unknown): { readonly code: string | undefined; readonly message: string } | undefined =>
  reason === undefined
    ? undefined
    : { code: isEventsError(reason) ? reason.code : undefined, message: reason instanceof Error ? reason.message : '' };

/** A report as plain data: an `Error` tells JSON nothing. */
export const reportJson = ({ outcomes, reason: ending, ...report }: RemovalReport): string =>
  json({
    ...report,
    reason: reasonOf(ending),
    outcomes: outcomes.map(({ reason, ...outcome }) => ({ ...outcome, reason: reasonOf(reason) })),
  });

export const reportView = (report: RemovalReport, kind: 'redriven' | 'purged'): string => {
  const { dryRun, stopped, outcomes, gone, refused, failed, unknown } = report;
  const counts = { [kind]: report[kind], gone, refused, failed, ...(unknown > 0 && { unknown }) };
  const numbers = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  const head = `${dryRun ? 'Nothing was done. It would be: ' : ''}${numbers.join(', ')}${stopped ? '; ended before all was done' : ''}`;
  const shown = outcomes.filter(({ outcome }) => outcome !== kind || dryRun).slice(0, SHOWN_OUTCOMES);
  const lines = shown.map(({ id, outcome, reason }) =>
    [outcome, cell(id), reason === undefined ? '' : cell(reasonOf(reason)?.message)].join('  ').trimEnd(),
  );
  const rest = (dryRun ? report[kind] : 0) + gone + refused + failed + unknown;
  const more = rest > shown.length ? [`… and ${rest - shown.length} more`] : [];
  return [head, ...lines, ...more].join('\n');
};
