import { AssertionError } from 'node:assert';
import fc from 'fast-check';
import type { Case } from '../case.ts';
import type { CheckReport, Expectations } from '../check.ts';
import type { CaseContext } from '../context.ts';
import { type Command, Scene } from '../scene.ts';

const NODES = 3;
const GROUPS = 2;
const RESTART_RUNS = 3;
/** What somebody held has to expire before another can have it. */
const LEASES = 2;
/** For so many times the bound of one history new ones are tried, and a failing one is made smaller. */
const PATIENCE = 3;

type Kind = keyof Pick<CheckReport, 'lost' | 'duplicated' | 'reordered' | 'afterSettled' | 'concurrent' | 'phantom'>;

const publish = (fails: number): fc.Arbitrary<Command> =>
  fc.record({
    do: fc.constant('publish' as const),
    count: fc.integer({ min: 1, max: 8 }),
    fails: fc.integer({ min: 0, max: fails }),
    ms: fc.integer({ min: 0, max: 4 }),
    key: fc.integer({ min: 0, max: 2 }),
  });
const node = fc.integer({ min: 0, max: NODES - 1 });
const group = fc.integer({ min: 0, max: GROUPS - 1 });
const concurrency = fc.integer({ min: 1, max: 4 });
const subscribe = fc.record({ do: fc.constant('subscribe' as const), node, group, concurrency });
const unsubscribe = fc.record({ do: fc.constant('unsubscribe' as const), node, group, patient: fc.boolean() });
const stop = fc.record({ do: fc.constant('stop' as const), node });
const wait = fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 8 }) });
const restart = fc.constant<Command>({ do: 'restart' });

/** Histories of these commands, each as often as its weight says. */
const histories = (
  ...commands: (readonly [weight: number, command: fc.Arbitrary<Command>])[]
): fc.Arbitrary<Command[]> =>
  fc.array(fc.oneof(...commands.map(([weight, arbitrary]) => ({ weight, arbitrary }))), {
    minLength: 3,
    maxLength: 18,
  });

interface Trial {
  readonly commands: fc.Arbitrary<Command[]>;
  readonly groups: number;
  /** Subscriptions last from the first event to the last. */
  readonly keepOpen: boolean;
  /** Of the runs that are asked for. */
  readonly runs: (all: number) => number;
  /** What must not be found. */
  readonly none: readonly Kind[];
  readonly expectations?: Expectations;
}

const COMPETING = { groups: GROUPS, keepOpen: false };
const ALONE = { groups: 1, keepOpen: true };
const EVERYTHING: readonly Kind[] = ['lost', 'duplicated', 'afterSettled', 'concurrent', 'phantom'];

const half = (all: number): number => Math.ceil(all / 2);

const trying =
  (trial: Trial) =>
  async (context: CaseContext): Promise<void> => {
    const { seed, timeoutMs, leaseMs, runs } = context.settings;
    let count = 0;
    const property = fc.asyncProperty(trial.commands, async (commands) => {
      const scene = new Scene(context, `${context.name}r${++count}`, trial.groups);
      await scene.begin(trial.keepOpen);
      for (const command of commands) await scene.play(command);
      const report = await scene.end(trial.expectations ?? {}, leaseMs * LEASES);
      const found = trial.none.filter((kind) => report[kind].count > 0);
      if (found.length === 0) return;
      const shown = found.map((kind) => `${kind}: ${JSON.stringify(report[kind].examples.slice(0, 3))}`);
      throw new AssertionError({ message: `The checker found ${shown.join('; ')}` });
    });
    const details = await fc.check(property, {
      seed,
      numRuns: trial.runs(runs),
      interruptAfterTimeLimit: (timeoutMs + leaseMs * LEASES) * PATIENCE,
      includeErrorInReport: true,
    });
    if (!details.failed) return;
    const replay = `A random history failed. Replay it with EVENTS_SEED=${seed} or the option seed.`;
    throw new AssertionError({ message: `${replay}\n${fc.defaultReportMessage(details)}` });
  };

export const modelCases: readonly Case[] = [
  {
    id: 'model/groups',
    clause: 'C1',
    title:
      'random histories of publishing, failing, joining, leaving and stopping: nothing lost, nothing handled twice',
    needs: ['subscribe', 'groups'],
    run: trying({
      commands: histories([5, publish(2)], [4, subscribe], [2, unsubscribe], [1, stop], [2, wait]),
      ...COMPETING,
      runs: (all) => all,
      none: EVERYTHING,
    }),
  },
  {
    id: 'model/one-consumer',
    clause: 'C1',
    title: 'random histories of publishing and failing under one subscription: nothing lost, nothing handled twice',
    needs: ['subscribe'],
    run: trying({
      commands: histories([4, publish(3)], [1, wait]),
      ...ALONE,
      runs: half,
      none: EVERYTHING,
    }),
  },
  {
    id: 'model/order',
    clause: 'order',
    title: 'random histories without failures: the events of a key begin in the order of publishing',
    needs: ['subscribe', 'order'],
    run: trying({
      commands: histories([4, publish(0)], [1, wait]),
      ...ALONE,
      runs: half,
      none: ['lost', 'reordered'],
      expectations: { order: 'start' },
    }),
  },
  {
    id: 'model/restarts',
    clause: 'C1',
    title: 'random histories with restarts of the server: nothing that was confirmed is lost',
    needs: ['subscribe', 'groups', 'durable/server'],
    means: 'restart',
    alone: true,
    run: trying({
      commands: histories([5, publish(1)], [3, subscribe], [1, unsubscribe], [2, wait], [1, restart]),
      ...COMPETING,
      runs: (all) => Math.min(RESTART_RUNS, all),
      none: ['lost', 'phantom'],
    }),
  },
];
