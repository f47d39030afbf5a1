import { type Clause, clauses } from './clause.ts';
import type { Counts, Report } from './report.ts';

const COLUMNS = ['passed', 'failed', 'waived', 'unclaimed', 'untried'] as const;
const HEADINGS = ['passed', 'failed', 'waived', 'not claimed', 'not tried'];
const NAME_WIDTH = 10;

const cells = (counts: Counts): string =>
  COLUMNS.map((column, index) => String(counts[column] || '·').padStart((HEADINGS[index] as string).length)).join('  ');

const indent = (text: string): string => text.replaceAll('\n', '\n      ');

/** A certification for people to read. */
export const table = (report: Report): string => {
  const { transport, kit, versions, seed, ms, certified, complete, counts } = report;
  const about = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `${transport} · kit ${kit} · ${about.join(' · ')} · seed ${seed}`,
    '',
    `  ${''.padEnd(NAME_WIDTH)}${HEADINGS.join('  ')}`,
  ];
  for (const [clause, text] of Object.entries(clauses) as [Clause, string][])
    lines.push(`  ${clause.padEnd(NAME_WIDTH)}${cells(report.clauses[clause])}   ${text}`);
  lines.push(`  ${'all'.padEnd(NAME_WIDTH)}${cells(counts)}`);
  const shown = report.cases.filter(({ status }) => status === 'failed' || status === 'waived');
  if (shown.length > 0) lines.push('');
  for (const { id, clause, title, status, reason, error } of shown)
    lines.push(`  ${status}  ${id} (${clause}): ${title}`, `      ${indent(error ?? reason ?? '')}`);
  const verdict = certified
    ? `${transport} is certified`
    : complete
      ? `${transport} is not certified`
      : 'some cases only';
  lines.push('', `${verdict}: ${counts.passed} passed, ${counts.failed} failed, ${counts.waived} waived in ${ms} ms.`);
  return lines.join('\n');
};
