import { runHa } from './ha/ha.ts';
import { parseOptions, USAGE } from './options.ts';
import { runChaos } from './run.ts';

const list = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');

const main = async (args: readonly string[]): Promise<number> => {
  if (args.includes('--ha')) return runHa(args);
  const options = parseOptions(args);
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const begin = Date.now();
  const tell = (what: string): void =>
    console.log(`${String(Math.round((Date.now() - begin) / 1000)).padStart(4)} s  ${what}`);
  console.log(`seed ${options.seed}`);
  const { faults, figures, broken } = await runChaos(options, tell);
  tell(`faults: ${list(faults)}`);
  tell(`events: ${list(figures)}`);
  for (const promise of broken) console.log(`BROKEN  ${promise}`);
  console.log(
    broken.length > 0 ? `${broken.length} promises were broken: --seed ${options.seed}` : 'Every promise was kept.',
  );
  return broken.length > 0 ? 1 : 0;
};

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  console.error(thrown instanceof TypeError ? `${thrown.message}\n\n${USAGE}` : thrown);
  process.exitCode = 2;
}
