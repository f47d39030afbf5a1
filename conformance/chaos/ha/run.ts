import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';
import type { Random } from '../random.ts';
import { Contents } from './contents.ts';
import { Crew } from './crew.ts';
import { figuresOf, type RunFacts, type RunFigures } from './figures.ts';
import { type Ground, streamOf } from './ground.ts';
import type { Scenario } from './scenario.ts';

/** Events per second, over all partitions. */
const RATE = 1000;
const WARM_UP_MS = 2000;
const AFTER_MS = 1000;
/** Within what everything works again, or is said not to. */
const WORKS_MS = 15_000;
/** The fault comes at any time of what goes on by the second. */
const MAX_DELAY_MS = 500;

export interface Run {
  readonly figures: RunFigures;
  readonly incident: RunFacts['incident'];
  /** What was done and what the processes saw, in words: each with its time in ms on the clock of the machine. */
  readonly notes: readonly string[];
}

/** One run of a scenario on servers in full health, which they are in again afterwards. */
export const runScenario = async (ground: Ground, scenario: Scenario, random: Random): Promise<Run> => {
  const prefix = `ha-${randomBytes(4).toString('hex')}`;
  const { place, type } = ground;
  const { durability } = scenario;
  const streams = (partition: number): string => streamOf(prefix, type, partition);
  const contents = new Contents(ground, streams);
  const marks: string[] = [];
  const mark = (what: string): void => void marks.push(`${now().toFixed(0)} ${what}`);
  mark('the processes are started');
  const crew = await Crew.open({ place, prefix, type, ...(durability && { durability }) }, RATE);
  try {
    const begun = now();
    if (!(await crew.works(begun, WORKS_MS))) throw new Error(`It did not work before the fault. ${crew.deaths}`);
    await sleep(WARM_UP_MS + random.between(0, MAX_DELAY_MS));
    const works = (since: number): Promise<boolean> => crew.works(since, WORKS_MS);
    mark('the fault is made');
    const incident = await scenario.fault({ ground, random, streamOf: streams, mark, works });
    mark('the fault is over');
    await works(now());
    mark('everything works again');
    await sleep(AFTER_MS);

    const [produced] = await Promise.all([crew.produced(), ground.heal()]);
    mark('everything is healed');
    const left = await contents.drained();
    mark('nothing is left');
    const consumed = await crew.consumed();
    const stored = await contents.stored();
    mark('the run is over');
    const figures = figuresOf({
      incident,
      publications: produced?.publications ?? [],
      endedAt: produced?.endedAt ?? now(),
      arrivals: consumed.flatMap(({ arrivals }) => arrivals),
      stored,
      left,
      deaths: crew.deaths,
    });
    // What the next run replicates is its own.
    for (const master of await ground.masters()) await master.cli('FLUSHALL');
    return {
      figures,
      incident,
      notes: [...marks, ...[produced, ...consumed].flatMap((report) => report?.notes ?? [])].sort(),
    };
  } finally {
    await crew.close();
  }
};
