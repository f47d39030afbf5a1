import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';

const neverAbove = async (context: CaseContext, concurrency: number): Promise<void> => {
  const node = await context.node();
  const arrivals = await node.collect<number>(context.type(), {
    group: context.group(),
    concurrency,
    handle: async ({ body, attempt }) => {
      await sleep(body % 3);
      if (body % 7 === 0 && attempt < 3) throw context.failure();
    },
  });
  await Promise.all([node.publishAll(context.type(), numbers(30)), node.publishAll(context.type(), numbers(15, 30))]);
  await context.until(
    () => arrivals.done.length >= 45,
    () => `45 are handled: ${arrivals.done.length}`,
  );
  const [tapped] = node.tap.subscriptions;
  assert(tapped && tapped.peak <= concurrency, `${tapped?.peak} were unsettled at a time, allowed are ${concurrency}`);
};

export const backPressureCases: readonly Case[] = [
  {
    id: 'back-pressure/one',
    clause: 'contract',
    title: 'with concurrency 1 nothing is delivered before the last delivery is settled',
    needs: ['subscribe'],
    run: (context) => neverAbove(context, 1),
  },
  {
    id: 'back-pressure/bound',
    clause: 'contract',
    title: 'never more deliveries are unsettled than concurrency allows, retries included',
    needs: ['subscribe'],
    run: (context) => neverAbove(context, 7),
  },
  {
    id: 'back-pressure/full',
    clause: 'contract',
    title: 'who holds all that it may hold is given no more; for each that it settles it gets one',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const gates = numbers(40).map(() => context.gate());
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        concurrency: 3,
        handle: ({ number }) => gates[number - 1]?.opened,
      });
      await node.publishAll(context.type(), numbers(20));
      await node.publishAll(context.type(), numbers(20, 20));
      const [tapped] = node.tap.subscriptions;
      for (const settled of numbers(5)) {
        await context.until(
          () => arrivals.all.length === settled + 3,
          () => `three are held: ${arrivals.all.length - settled}`,
        );
        if (settled === 0) await context.quiet();
        assert.equal(tapped?.deliveries.length, settled + 3);
        gates[settled]?.open();
      }
      for (const gate of gates) gate.open();
      await context.until(
        () => arrivals.done.length === 40,
        () => `all are handled: ${arrivals.done.length}`,
      );
    },
  },
  {
    id: 'back-pressure/by-subscription',
    clause: 'contract',
    title: 'a subscription that is full leaves the others of its node alone',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const gate = context.gate();
      const full = await node.collect(context.type(), { group: context.group('full'), handle: () => gate.opened });
      const free = await node.collect(context.type(), { group: context.group('free') });
      await node.publishAll(context.type(), numbers(50));
      await context.until(
        () => free.done.length === 50,
        () => `the free one handles 50: ${free.done.length}`,
      );
      assert.equal(full.all.length, 1);
    },
  },
];
