import assert from 'node:assert/strict';
import type { BatchEvent } from '@logistically/events-kernel';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { Node } from '../node.ts';
import { outgoingEvents } from '../outgoing.ts';

/** How far two clocks of one machine may seem apart. */
const CLOCK_MS = 15;

/** Publishes for a time; the reasons of each event by its position. */
const publishAt = async (node: Node, time: number, events: readonly BatchEvent[]): Promise<unknown[][]> => {
  const batch = await outgoingEvents(node.handle.name, events);
  const reasons = batch.map((): unknown[] => []);
  const settled = new Promise<void>((resolve) => {
    node.can('delay').publishAt(time, batch, (event, reason) => {
      reasons[batch.indexOf(event)]?.push(reason);
      if (reasons.every(({ length }) => length > 0)) resolve();
    });
  });
  await settled;
  return reasons;
};

export const delayCases: readonly Case[] = [
  {
    id: 'delay/not-before',
    clause: 'delay',
    title: 'events published for a time arrive not before it; others are not held up',
    needs: ['subscribe', 'delay'],
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const arrivals = await node.collect<number>(type, { group: context.group(), concurrency: 5 });
      const time = Date.now() + Math.min(400, context.settings.timeoutMs / 2);
      await publishAt(
        node,
        time,
        numbers(5).map((body) => ({ type, body })),
      );
      await node.publish(type, 5);
      await context.until(
        () => arrivals.done.length >= 6,
        () => `six are handled: ${arrivals.done}`,
        400,
      );
      for (const arrival of arrivals.all)
        if (arrival.body < 5) assert(arrival.time >= time - CLOCK_MS, `${time - arrival.time} ms too early`);
      await context.quiet();
      assert.deepEqual(sorted(arrivals.bodies), numbers(6));
    },
  },
  {
    id: 'delay/past',
    clause: 'delay',
    title: 'a time that is over means now',
    needs: ['subscribe', 'delay'],
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const arrivals = await node.collect<number>(type, { group: context.group() });
      for (const time of [Date.now() - 1000, 0]) await publishAt(node, time, [{ type, body: time }]);
      await context.until(() => arrivals.done.length >= 2, 'both are handled');
    },
  },
  {
    id: 'delay/settles-once',
    clause: 'delay',
    title: 'each event is settled once; one that cannot be stored is rejected by itself',
    needs: ['subscribe', 'delay'],
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const arrivals = await node.collect<number>(type, { group: context.group() });
      const events = [
        { type, body: 0 },
        { type, body: 1, partition: 1_000_000 },
        { type, body: 2 },
      ];
      const reasons = await publishAt(node, Date.now() + 30, events);
      await context.until(
        () => arrivals.done.length >= 2,
        () => `two are handled: ${arrivals.done}`,
      );
      await context.quiet();
      assert.deepEqual(
        reasons.map((settled) => settled.map((reason) => reason === undefined)),
        [[true], [false], [true]],
      );
      assert.deepEqual(sorted(arrivals.bodies), [0, 2]);
    },
  },
  {
    id: 'delay/outlives-its-publisher',
    clause: 'delay',
    title: 'what is published for a time arrives though its publisher has stopped',
    needs: ['subscribe', 'delay', 'groups'],
    async run(context) {
      const [publisher, consumer] = [await context.node(), await context.node()];
      const type = context.type();
      const arrivals = await consumer.collect(type, { group: context.group() });
      await publishAt(publisher, Date.now() + 150, [{ type, body: 'later' }]);
      await publisher.stop();
      await context.until(() => arrivals.done.length === 1, 'it is handled', 150);
    },
  },
];
