#!/usr/bin/env node
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { isEventsError } from '@logistically/events-kernel';
import { badge } from './badge.ts';
import { runSuite } from './report.ts';
import type { CaseStatus } from './suite.ts';
import { table } from './table.ts';
import { loadTransportModule } from './transport-module.ts';

const USAGE = `events-conformance certify <module> [options]

Certifies the transport that <module> makes: its default export, or its export createTransport, is a function that returns one.
An export \`options\` may give restart, crash, freeze, wipe, waive, leaseMs and what else certify() takes.

  --json <file>     writes the report as JSON
  --badge <file>    writes a badge as SVG
  --timeout <ms>    bound of every wait (5000)
  --seed <number>   replays the random cases of another run
  --only <prefix>   only the cases whose id begins so

Exit code: 0 nothing failed, 1 a case failed, 2 it could not be tried.`;

const MARKS: Readonly<Record<CaseStatus, string>> = {
  passed: '.',
  failed: 'F',
  waived: 'w',
  unclaimed: '-',
  untried: '-',
};

const text = { type: 'string' } as const;
const OPTIONS = {
  json: text,
  badge: text,
  timeout: text,
  seed: text,
  only: text,
  help: { type: 'boolean', short: 'h' },
} as const;

const numberOf = (name: string, value: string | undefined): number | undefined => {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new TypeError(`--${name} takes a whole number, not ${value}.`);
  return Number(value);
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const [command, file, ...more] = positionals;
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (command !== 'certify' || file === undefined || more.length > 0) {
    console.error(USAGE);
    return 2;
  }
  const timeoutMs = numberOf('timeout', values.timeout);
  const seed = numberOf('seed', values.seed);
  const { factory, options } = await loadTransportModule(file);
  const report = await runSuite(factory, {
    ...options,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(seed !== undefined && { seed }),
    only: ({ id }) => id.startsWith(values.only ?? ''),
    onResult: ({ status }) => process.stderr.write(MARKS[status]),
  });
  process.stderr.write('\n');
  console.log(table(report));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.badge !== undefined) await writeFile(values.badge, badge(report));
  return report.counts.failed === 0 ? 0 : 1;
};

try {
  process.exitCode = await main();
} catch (thrown) {
  console.error(isEventsError(thrown) || thrown instanceof TypeError ? thrown.message : thrown);
  process.exitCode = 2;
}
// A transport that leaves something open must not keep the process alive.
process.stdout.write('', () => process.exit());
