import assert from 'node:assert/strict';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

export const durableCases: readonly Case[] = [
  {
    id: 'durable/reaches-other-handles',
    clause: 'durable',
    title: 'what one handle publishes another handle on the broker delivers',
    needs: ['subscribe', 'durable'],
    async run(context) {
      const [publisher, consumer] = [await context.node(), await context.node()];
      const arrivals = await consumer.collect<number>(context.type(), { group: context.group(), concurrency: 5 });
      await publisher.publishAll(context.type(), numbers(5));
      await context.until(
        () => arrivals.done.length >= 5,
        () => `five are handled: ${arrivals.done}`,
      );
      assert.deepEqual(sorted(arrivals.bodies), numbers(5));
    },
  },
  {
    id: 'durable/groups-outlive-handles',
    clause: 'durable',
    title: 'a group, its position and what waits for it outlive every handle',
    needs: ['subscribe', 'durable', 'groups'],
    async run(context) {
      const group = context.group();
      const first = await context.node();
      const done = await first.collect<number>(context.type(), { group, concurrency: 5 });
      await first.publishAll(context.type(), numbers(5));
      await context.until(() => done.done.length === 5, 'five are handled');
      await done.unsubscribe();
      await first.publishAll(context.type(), numbers(5, 5));
      await first.stop();
      const second = await context.node();
      const arrivals = await second.collect<number>(context.type(), { group, concurrency: 5 });
      await context.until(
        () => arrivals.done.length >= 5,
        () => `five more are handled: ${arrivals.done}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(arrivals.bodies), numbers(5, 5));
    },
  },
  {
    id: 'durable/log-outlives-handles',
    clause: 'durable',
    title: 'what the log holds outlives every handle',
    needs: ['durable', 'log'],
    async run(context) {
      const first = await context.node();
      await first.publishAll(context.type(), numbers(5));
      const entries = await first.entries(context.topic);
      await first.stop();
      const second = await context.node();
      assert.deepEqual(await second.entries(context.topic), entries);
      assert.equal(entries.length, 5);
    },
  },
];
