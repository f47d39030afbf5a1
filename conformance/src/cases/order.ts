import assert from 'node:assert/strict';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
import type { Node } from '../node.ts';

/** In batches, one by one, and many at once without waiting: 0, 1, 2, … in the order of the calls. */
const publishInOrder = async (node: Node, type: string, rounds: number): Promise<number> => {
  let next = 0;
  for (let round = 0; round < rounds; round++) {
    await node.publishAll(type, numbers(25, next));
    next += 25;
    for (const body of numbers(5, next)) await node.publish(type, body);
    next += 5;
    await Promise.all(numbers(10, next).map((body) => node.publish(type, body)));
    next += 10;
  }
  return next;
};

const expectOrder = (bodies: readonly number[]): void => {
  for (const [index, body] of bodies.entries())
    assert(index === 0 || body > (bodies[index - 1] as number), `${body} came after ${bodies[index - 1]}`);
};

const cursorsInOrder = async (context: CaseContext): Promise<void> => {
  const node = await context.node();
  const arrivals = await node.collect<number>(context.type(), { group: context.group() });
  await node.publishAll(context.type(), numbers(30));
  await context.until(() => arrivals.done.length >= 30, '30 are handled');
  const entries = await node.entries(context.topic);
  assert.deepEqual(
    arrivals.all.map(({ context: { cursor } }) => cursor),
    entries.map(({ cursor }) => cursor),
  );
};

export const orderCases: readonly Case[] = [
  {
    id: 'order/as-published',
    clause: 'order',
    title: 'events of a partition arrive in the order of publishing: batches, single ones, many at once',
    needs: ['subscribe', 'order'],
    async run(context) {
      const [publisher, consumer] = [await context.node(), await context.node()];
      const arrivals = await consumer.collect<number>(context.type(), { group: context.group() });
      const published = await publishInOrder(publisher, context.type(), 5);
      await context.until(
        () => arrivals.done.length >= published,
        () => `${published} are handled: ${arrivals.done.length}`,
      );
      assert.deepEqual(arrivals.bodies, numbers(published));
    },
  },
  {
    id: 'order/backlog',
    clause: 'order',
    title: 'a backlog arrives in the order of publishing, also where more than one may be worked on',
    needs: ['subscribe', 'order', 'groups'],
    async run(context) {
      const node = await context.node();
      const options = { group: context.group(), concurrency: 7 };
      await (await node.collect<number>(context.type(), options)).unsubscribe();
      const published = await publishInOrder(node, context.type(), 3);
      const arrivals = await node.collect<number>(context.type(), options);
      await context.until(
        () => arrivals.done.length >= published,
        () => `${published} are handled: ${arrivals.done.length}`,
      );
      assert.deepEqual(arrivals.bodies, numbers(published));
    },
  },
  {
    id: 'order/beside-a-retry',
    clause: 'order',
    title: 'an event that is tried again changes nothing in the order of the others',
    needs: ['subscribe', 'order'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        handle: ({ body, attempt }) => {
          if (body % 10 === 3 && attempt < 3) throw context.failure(5);
        },
      });
      const published = await publishInOrder(node, context.type(), 2);
      await context.until(
        () => arrivals.done.length >= published,
        () => `${published} are handled: ${arrivals.done.length}`,
      );
      expectOrder(arrivals.bodies.filter((body) => body % 10 !== 3));
    },
  },
  {
    id: 'order/topic',
    clause: 'order',
    title: 'with order by topic the events of all its partitions arrive in the order of publishing',
    needs: ['subscribe', 'order/topic'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), { group: context.group() });
      const stored: number[] = [];
      for (const body of numbers(40)) {
        const publishing = node.publish(context.type(), body, { partition: body % 2 });
        await publishing.then(
          () => stored.push(body),
          () => {},
        );
      }
      await context.until(() => arrivals.done.length >= stored.length, 'all are handled');
      assert.deepEqual(arrivals.bodies, stored);
    },
  },
  {
    id: 'order/cursors',
    clause: 'order',
    title: 'the cursors of deliveries are those of the log, in its order',
    needs: ['subscribe', 'order', 'log'],
    run: cursorsInOrder,
  },
];
