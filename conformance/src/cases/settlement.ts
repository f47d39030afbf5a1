import assert from 'node:assert/strict';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';
import { rawConsumer } from '../raw.ts';

const SHORT_MS = 60;

export const settlementCases: readonly Case[] = [
  {
    id: 'settlement/not-before-done',
    clause: 'C1',
    title: 'an event is not acknowledged before its handler succeeded: left unfinished, another consumer gets it',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      const held = await first.collect(context.type(), { group, handle: () => gate.opened });
      await first.publish(context.type(), 'precious');
      await context.until(() => held.all.length === 1, 'the first consumer has it');
      await held.unsubscribe(SHORT_MS);
      const arrivals = await second.collect(context.type(), { group });
      await context.until(() => arrivals.done.length === 1, 'the second consumer gets what the first did not finish');
      assert.deepEqual(arrivals.bodies, ['precious']);
    },
  },
  {
    id: 'settlement/done-is-done',
    clause: 'C1',
    title: 'what was handled does not come again, neither to its consumer nor to the next one of the group',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const done = await first.collect<number>(context.type(), { group, concurrency: 10 });
      await first.publishAll(context.type(), numbers(50));
      await context.until(
        () => done.done.length >= 50,
        () => `50 are handled: ${done.done.length}`,
      );
      await done.unsubscribe();
      const next = await second.collect<number>(context.type(), { group, concurrency: 10 });
      await second.publish(context.type(), 50);
      await context.until(() => next.done.includes(50), 'the next consumer goes on');
      await context.quiet();
      assert.deepEqual(next.bodies, [50], 'and gets nothing of what was done');
      assert.deepEqual(sorted(done.bodies), numbers(50));
    },
  },
  {
    id: 'settlement/each-by-itself',
    clause: 'C1',
    title: 'events are acknowledged one by one: of a batch with one unfinished event only that one comes back',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      const held = await first.collect<number>(context.type(), {
        group,
        concurrency: 10,
        handle: ({ body }) => (body === 3 ? gate.opened : undefined),
      });
      await first.publishAll(context.type(), numbers(10));
      await context.until(
        () => held.done.length === 9,
        () => `nine are handled: ${held.done.length}`,
      );
      await held.unsubscribe(SHORT_MS);
      const arrivals = await second.collect<number>(context.type(), { group, concurrency: 10 });
      await second.publish(context.type(), 10);
      await context.until(
        () => arrivals.done.includes(3) && arrivals.done.includes(10),
        () => `3 and 10 are handled: ${arrivals.done}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(arrivals.bodies), [3, 10]);
    },
  },
  {
    id: 'settlement/too-late',
    clause: 'C1',
    title: 'who settles after closing settles nothing: the event belongs to the consumer that has it now',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const held = await rawConsumer(context, first.handle, { group });
      await first.publish(context.type(), 'precious');
      await context.until(() => held.deliveries.length === 1, 'the first consumer has it');
      await held.close(Date.now() + context.settings.timeoutMs);
      const now = context.gate();
      const arrivals = await second.collect(context.type(), {
        group,
        handle: async ({ number }) => {
          if (number > 1) return;
          await now.opened;
          throw context.failure();
        },
      });
      await context.until(() => arrivals.all.length === 1, 'the second consumer has it');
      for (const delivery of held.deliveries) held.settle(delivery);
      await context.quiet();
      now.open();
      await context.until(
        () => arrivals.done.length === 1,
        'what the second consumer failed on comes back all the same',
      );
    },
  },
];
