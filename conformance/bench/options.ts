import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BenchCase } from './case.ts';

export const USAGE = `pnpm bench [--only P-4,C-1] [--rounds 7] [--quick] [--json file] [--assert]

  --only     cases or bars, by id
  --rounds   how many rounds count (default 7; 2 with --quick)
  --quick    a tenth of the events: shows that everything runs, not how fast
  --json     where to write all figures (default: a file in the temporary directory)
  --assert   exit with 1 if a ratio is below its floor`;

export interface BenchOptions {
  readonly selected: readonly BenchCase[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly json: string;
  readonly assert: boolean;
}

const isNamed = (name: string, { id, bars }: BenchCase): boolean =>
  [id, ...bars.map((bar) => bar.id)].some((known) => known === name || known.startsWith(`${name}/`));

/** Reads the arguments; throws an error that says which one is wrong. Undefined when only help was asked for. */
export const parseOptions = (args: readonly string[], cases: readonly BenchCase[]): BenchOptions | undefined => {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      assert: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, assert, json = join(tmpdir(), 'events-bench.json') } = values;
  const rounds = Number(values.rounds ?? (quick ? 2 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1 on.');
  const names = values.only?.split(',');
  for (const name of names ?? [])
    if (!cases.some((known) => isNamed(name, known)))
      throw new Error(`--only: there is no ${name}. There is: ${cases.map(({ id }) => id).join(', ')}.`);
  const selected = names ? cases.filter((known) => names.some((name) => isNamed(name, known))) : cases;
  return { selected, rounds, quick, json, assert };
};
