import assert from 'node:assert/strict';
import type { Path } from '@logistically/events-kernel';
import fc from 'fast-check';
import { failure, identityOf, type LayerRig, type Outcome, type Passing } from './layer-rig.ts';

/** A law that every layer keeps, on the publish path and on the consume path. */
export interface Law {
  readonly id: string;
  readonly title: string;
  readonly run: (rig: LayerRig, random: { readonly seed: number; readonly runs: number }) => Promise<void>;
}

const COUNT = 10;

/** An end of the path, and what came to it. */
class End {
  readonly batches: (readonly Passing[])[] = [];
  /** How each event was last settled here: true is done. */
  readonly last = new Map<string, boolean>();
  readonly path: Path<Passing>;

  constructor(handle: (event: Passing, settle: (reason?: unknown) => void, index: number) => void) {
    this.path = (batch, settle) => {
      this.batches.push(batch);
      batch.forEach((event, index) => {
        const settleOne = (reason?: unknown): void => {
          this.last.set(identityOf(event), reason === undefined);
          settle(event, reason);
        };
        handle(event, settleOne, index);
      });
    };
  }
}

const settledOnce = async (rig: LayerRig, ...outcomes: Outcome[]): Promise<void> => {
  await rig.until(
    () => outcomes.every(({ open }) => open.length === 0),
    () => `every event is settled: ${outcomes.reduce((sum, { open }) => sum + open.length, 0)} are not`,
  );
  // A second settlement may come a turn later.
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const { settlements, strangers } of outcomes) {
    assert.equal(strangers.length, 0, 'an event was settled that is not one of the batch');
    for (const reasons of settlements.values())
      assert.equal(reasons.length, 1, `an event was settled ${reasons.length} times`);
  }
};

/** Sends one batch through to an end and expects every event to be settled once. */
const once = async (rig: LayerRig, end: End | Path<Passing>, count = COUNT): Promise<Outcome> => {
  const batch = await rig.events(count);
  const outcome = rig.run(rig.path(end instanceof End ? end.path : end), batch);
  await settledOnce(rig, outcome);
  return outcome;
};

/** What succeeded at the end is not reported as a failure. */
const successStays = ({ settlements }: Outcome, { last }: End): void => {
  for (const [event, [reason]] of settlements)
    if (last.get(identityOf(event))) assert.equal(reason, undefined, 'an event that succeeded is reported as failed');
};

/** A step of a random plan: an event that succeeds at once. `throws` of 0 throws. */
const GOOD = { fails: false, ms: 0, throws: 1 };

const isOdd = (index: number): boolean => index % 2 === 1;
const later = (task: () => void, ms = 1): void => void setTimeout(task, ms);

export const laws: readonly Law[] = [
  {
    id: 'settles-once',
    title: 'each event is settled exactly once when all goes well, within the call',
    run: async (rig) => {
      const end = new End((_, settle) => settle());
      successStays(await once(rig, end), end);
    },
  },
  {
    id: 'settles-later',
    title: 'each event is settled exactly once when they are done later, the last first',
    run: async (rig) => {
      const end = new End((_, settle, index) => later(settle, COUNT - index));
      successStays(await once(rig, end), end);
    },
  },
  {
    id: 'settles-failures',
    title: 'each event is settled exactly once when all fail, at once or later',
    run: async (rig) => {
      await once(rig, new End((_, settle) => settle(failure())));
      await once(rig, new End((_, settle) => later(() => settle(failure()))));
    },
  },
  {
    id: 'tells-apart',
    title: 'when some fail, those that succeed are not reported as failed',
    run: async (rig) => {
      const end = new End((_, settle, index) => {
        const one = (): void => settle(isOdd(index) ? failure() : undefined);
        if (index % 3 === 0) later(one);
        else one();
      });
      successStays(await once(rig, end), end);
    },
  },
  {
    id: 'survives-a-throw',
    title: 'each event is settled exactly once when what lies below throws, at once or midway, something or undefined',
    run: async (rig) => {
      for (const thrown of [failure(), undefined]) {
        await once(rig, () => {
          throw thrown;
        });
        const midway = new End((_, settle, index) => {
          if (index === COUNT / 2) throw thrown;
          settle();
        });
        await once(rig, midway);
      }
    },
  },
  {
    id: 'survives-settling-twice',
    title: 'an event that is settled twice below disturbs no other, and its first outcome counts',
    run: async (rig) => {
      const twice = new Set<string>();
      const end = new End((event, settle, index) => {
        settle();
        if (!isOdd(index)) return;
        settle(failure());
        twice.add(identityOf(event));
        end.last.set(identityOf(event), true);
      });
      const outcome = rig.run(rig.path(end.path), await rig.events(COUNT));
      await rig.until(() => outcome.open.length === 0, 'every event is settled');
      successStays(outcome, end);
      for (const [event, { length }] of outcome.settlements)
        assert(length <= (twice.has(identityOf(event)) ? 2 : 1), `an event was settled ${length} times`);
    },
  },
  {
    id: 'waits-for-nobody',
    title: 'an event that hangs does not hold back the settlement of the others',
    run: async (rig) => {
      let release: () => void = () => {};
      let hung: Passing | undefined;
      const end = new End((event, settle) => {
        if (hung && identityOf(hung) !== identityOf(event)) return settle();
        hung = event;
        release = settle;
      });
      const outcome = rig.run(rig.path(end.path), await rig.events(COUNT));
      await rig.until(
        () => outcome.open.length <= 1,
        () => `the others are settled: ${outcome.open.length - 1} wait for one`,
      );
      release();
      await settledOnce(rig, outcome);
    },
  },
  {
    id: 'never-empty',
    title: 'an empty batch is never passed on',
    run: async (rig) => {
      const end = new End((_, settle, index) => (isOdd(index) ? settle(failure()) : settle()));
      await once(rig, end);
      await once(rig, end, 1);
      for (const batch of end.batches) assert(batch.length > 0, 'an empty batch was passed on');
    },
  },
  {
    id: 'keeps-the-batch',
    title: 'the batch is left as it was: the same events, their fields unchanged',
    run: async (rig) => {
      const batch = await rig.events(COUNT);
      const fieldsOf = (event: Passing): unknown => [event.topic, event.partition, identityOf(event), event.payload];
      const given = [...batch];
      const before = batch.map(fieldsOf);
      const end = new End((_, settle) => settle());
      await settledOnce(rig, rig.run(rig.path(end.path), batch));
      assert.deepEqual(batch, given);
      assert.deepEqual(batch.map(fieldsOf), before);
    },
  },
  {
    id: 'runs-beside-itself',
    title: 'batches that are under way at the same time are kept apart',
    run: async (rig) => {
      let count = 0;
      const end = new End((_, settle) => {
        const wait = ++count % 7;
        later(() => settle(wait === 3 ? failure() : undefined), wait);
      });
      const path = rig.path(end.path);
      const batches = await Promise.all([1, 3, 5, 2, 10].map((size) => rig.events(size)));
      const outcomes = batches.map((batch) => rig.run(path, batch));
      await settledOnce(rig, ...outcomes);
      for (const outcome of outcomes) successStays(outcome, end);
    },
  },
  {
    id: 're-enters',
    title: 'the path may be called again from below, and from a settlement, before it has returned',
    run: async (rig) => {
      const outcomes: Outcome[] = [];
      const again = [await rig.events(3), await rig.events(3)];
      const enter = (): void => {
        const batch = again.pop();
        if (batch) outcomes.push(rig.run(path, batch));
      };
      const end = new End((_, settle) => {
        enter();
        settle();
      });
      const path = rig.path(end.path);
      const fromSettlement: Path<Passing> = (batch, settle) =>
        path(batch, (event, reason) => {
          enter();
          settle(event, reason);
        });
      for (const batch of [await rig.events(COUNT), await rig.events(COUNT)]) {
        outcomes.push(rig.run(fromSettlement, batch));
        await settledOnce(rig, ...outcomes);
        again.push(await rig.events(3));
      }
    },
  },
  {
    id: 'at-random',
    title: 'whatever succeeds, fails, throws or takes its time in any number of batches: each event is settled once',
    run: async (rig, { seed, runs }) => {
      const step = fc.record({ fails: fc.boolean(), ms: fc.integer({ min: 0, max: 3 }), throws: fc.nat({ max: 9 }) });
      const plan = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });
      const property = fc.asyncProperty(plan, async (batches) => {
        const steps = new Map<string, typeof GOOD>();
        const end = new End((event, settle) => {
          const { fails, ms, throws } = steps.get(identityOf(event)) ?? GOOD;
          if (throws === 0) throw failure();
          const one = (): void => settle(fails ? failure() : undefined);
          if (ms === 0) one();
          else later(one, ms);
        });
        const path = rig.path(end.path);
        const outcomes: Outcome[] = [];
        for (const batch of batches) {
          const events = await rig.events(batch.length);
          for (const [index, event] of events.entries()) steps.set(identityOf(event), batch[index] ?? GOOD);
          outcomes.push(rig.run(path, events));
        }
        await settledOnce(rig, ...outcomes);
      });
      const details = await fc.check(property, { seed, numRuns: runs, includeErrorInReport: true });
      if (details.failed) assert.fail(`Replay it with EVENTS_SEED=${seed}.\n${fc.defaultReportMessage(details)}`);
    },
  },
];
