import { parseArgs } from 'node:util';

export const USAGE = `pnpm chaos [--seconds 60] [--seed 1] [--rate 200] [--consumers 4] [--producers 2] [--keep directory]

  --seconds    how long faults are made; then everything is healed, drained and judged
  --seed       which faults come when; the same seed makes the same plan
  --rate       events per second, of all producers together
  --consumers  consumer processes
  --producers  producer processes
  --keep       keeps the ledgers of all processes in this directory

pnpm chaos --ha …: failover of Sentinel and Cluster instead; --ha --help tells more.

Exit code: 0 every promise was kept, 1 one was broken, 2 it could not be tried.`;

export interface ChaosOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Events per second. */
  readonly rate: number;
  readonly consumers: number;
  readonly producers: number;
  readonly keep: string | undefined;
}

/** Reads the arguments; throws an error that says which one is wrong. Undefined when only help was asked for. */
export const parseOptions = (args: readonly string[]): ChaosOptions | undefined => {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rate: { type: 'string', default: '200' },
      consumers: { type: 'string', default: '4' },
      producers: { type: 'string', default: '2' },
      keep: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const number = (name: 'seconds' | 'seed' | 'rate' | 'consumers' | 'producers', min: number, max: number): number => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new TypeError(`--${name} takes a whole number from ${min} to ${max}, not ${values[name]}.`);
    return value;
  };
  return {
    seconds: number('seconds', 1, 7200),
    seed: number('seed', 0, 2 ** 31),
    rate: number('rate', 1, 5000),
    consumers: number('consumers', 1, 16),
    producers: number('producers', 1, 16),
    keep: values.keep,
  };
};
