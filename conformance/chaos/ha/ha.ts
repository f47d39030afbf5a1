import { writeFileSync } from 'node:fs';
import { Random } from '../random.ts';
import type { Ground } from './ground.ts';
import { type HaOptions, parseOptions, USAGE } from './options.ts';
import { type Run, runScenario } from './run.ts';
import type { Scenario } from './scenario.ts';
import { SET_UPS, type SetUp } from './scenarios.ts';
import { type Row, tableOf } from './table.ts';
import { judge } from './verdict.ts';

type Tell = (what: string) => void;

/** A scenario, judged, and each of its runs. */
interface Result extends Row {
  readonly made: readonly Run[];
}

const line = ({ figures }: Run): string => {
  const { gapMs, unaffectedGapMs, resumeMs, rejections, ...counts } = figures;
  const times = { gap: gapMs, unaffected: unaffectedGapMs, resume: resumeMs };
  const { confirmed, rejected, lost, twice, reordered, stale, left } = counts;
  return [
    ...Object.entries(times).flatMap(([name, ms]) => (ms === undefined ? [] : [`${name} ${ms.toFixed(0)} ms`])),
    ...Object.entries({ confirmed, rejected, lost, twice, reordered, stale, left }).map(
      ([name, count]) => `${name} ${count}`,
    ),
    ...(rejected > 0 ? [JSON.stringify(rejections)] : []),
  ].join(', ');
};

/** The servers of a set-up, while there are any. */
interface Hold {
  ground: Ground | undefined;
}

/** The runs of one scenario. Servers that a run leaves in no health are replaced. */
const runAll = async (
  setUp: SetUp,
  hold: Hold,
  scenario: Scenario,
  { runs, seed }: HaOptions,
  tell: Tell,
): Promise<Result> => {
  const made: Run[] = [];
  const failures: string[] = [];
  for (let number = 1; number <= runs; number++) {
    const title = `${scenario.name} ${number}/${runs}`;
    try {
      hold.ground ??= await setUp.open();
      const run = await runScenario(hold.ground, scenario, new Random(seed + 7919 * number));
      made.push(run);
      tell(`${title}  ${line(run)}`);
    } catch (thrown) {
      failures.push(thrown instanceof Error ? thrown.message : String(thrown));
      tell(`${title}  FAILED ${failures.at(-1)}`);
      await hold.ground?.stop();
      hold.ground = undefined;
    }
  }
  const verdict = judge(
    scenario.promises,
    made.map(({ figures }) => figures),
    failures,
  );
  return { name: scenario.name, ...verdict, made };
};

const runSetUp = async (
  setUp: SetUp,
  options: HaOptions,
  tell: Tell,
  onResult: (result: Result) => void,
): Promise<void> => {
  const scenarios = setUp.scenarios.filter(({ name }) => options.isSelected(name));
  if (scenarios.length === 0) return;
  const hold: Hold = { ground: undefined };
  tell(setUp.what);
  try {
    for (const scenario of scenarios) onResult(await runAll(setUp, hold, scenario, options, tell));
  } finally {
    await hold.ground?.stop();
  }
};

const jsonOf = (what: object): string =>
  JSON.stringify(what, (_, value: unknown) => (value === Number.POSITIVE_INFINITY ? 'never' : value), 2);

/** Makes every fault on every set-up, prints what was measured, and resolves with the exit code. */
export const runHa = async (args: readonly string[]): Promise<number> => {
  const options = parseOptions(args);
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const begin = Date.now();
  const tell: Tell = (what) => console.log(`${String(Math.round((Date.now() - begin) / 1000)).padStart(4)} s  ${what}`);
  console.log(`seed ${options.seed}`);
  const results: Result[] = [];
  const keep = (result: Result): void => {
    results.push(result);
    if (options.json !== undefined) writeFileSync(options.json, jsonOf({ seed: options.seed, scenarios: results }));
  };
  for (const setUp of SET_UPS) await runSetUp(setUp, options, tell, keep);
  const broken = results.flatMap(({ name, broken }) => broken.map((promise) => `${name}: ${promise}`));
  for (const promise of broken) console.log(`BROKEN  ${promise}`);
  console.log(
    broken.length > 0 ? `${broken.length} promises were broken: --seed ${options.seed}` : 'Every promise was kept.',
  );
  console.log(`\n${tableOf(results)}`);
  return broken.length > 0 ? 1 : 0;
};
