import { parseArgs } from 'node:util';
import { SET_UPS } from './scenarios.ts';

const NAMES = SET_UPS.flatMap(({ scenarios }) => scenarios.map(({ name }) => name));

export const USAGE = `pnpm chaos --ha [--runs 20] [--only sentinel/kill-master,cluster] [--seed 1] [--json file]

  --runs  how often each scenario is run
  --only  scenarios, or all whose name begins so: ${NAMES.join(', ')}
  --seed  which server is hit, and when; the same seed makes the same plan
  --json  where to write the figures of every run, and what the processes saw

Exit code: 0 every promise was kept, 1 one was broken, 2 it could not be tried.`;

export interface HaOptions {
  readonly runs: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly isSelected: (name: string) => boolean;
}

/** Reads the arguments; throws an error that says which one is wrong. Undefined when only help was asked for. */
export const parseOptions = (args: readonly string[]): HaOptions | undefined => {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      ha: { type: 'boolean' },
      runs: { type: 'string', default: '20' },
      only: { type: 'string', default: '' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const number = (name: 'runs' | 'seed', min: number, max: number): number => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new TypeError(`--${name} takes a whole number from ${min} to ${max}, not ${values[name]}.`);
    return value;
  };
  const only = values.only.split(',').filter((name) => name !== '');
  const isMeant = (name: string, wanted: string): boolean => name === wanted || name.startsWith(`${wanted}/`);
  for (const wanted of only)
    if (!NAMES.some((name) => isMeant(name, wanted)))
      throw new TypeError(`--only: there is no ${wanted}. There is: ${NAMES.join(', ')}.`);
  return {
    runs: number('runs', 1, 1000),
    seed: number('seed', 0, 2 ** 31),
    json: values.json,
    isSelected: (name) => only.length === 0 || only.some((wanted) => isMeant(name, wanted)),
  };
};
