import assert from 'node:assert/strict';
import { type BatchEvent, isEventsError, type PublishError } from '@logistically/events-kernel';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

const OUT_OF_RANGE = 1_000_000;
const IDLE_SUBSCRIPTIONS = 20;

/** A body that no JSON can hold. */
const unencodable = (): unknown => ({ big: 1n });

/** The reasons by position in the batch. */
const failuresOf = async (publishing: Promise<unknown>): Promise<Map<number, unknown>> => {
  try {
    await publishing;
    return new Map();
  } catch (thrown) {
    const failures = isEventsError(thrown) && (thrown as Partial<PublishError>).failures;
    if (!failures) throw thrown;
    return new Map(failures.map(({ index, reason }) => [index, reason]));
  }
};

export const publishCases: readonly Case[] = [
  {
    id: 'publish/settles-once',
    clause: 'contract',
    title: 'each event of a batch is settled exactly once, also beside events that cannot be stored',
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const good = numbers(48).map((body): BatchEvent => ({ type, body }));
      const bad: BatchEvent[] = [
        { type, body: unencodable() },
        { type, body: 0, partition: OUT_OF_RANGE },
      ];
      const failures = await failuresOf(node.publishBatch([...good.slice(0, 20), ...bad, ...good.slice(20)]));
      assert.deepEqual(sorted(failures.keys()), [20, 21], 'the two that cannot be stored fail, and no other');
      await context.quiet();
      assert.equal(node.tap.strangers.length, 0, 'only events of the batch are settled');
      for (const { settlements } of node.tap.published) assert.equal(settlements.length, 1, 'settled once');
    },
  },
  {
    id: 'publish/fails-by-itself',
    clause: 'C6',
    title: 'an event that cannot be encoded is rejected with its own reason, its neighbours are delivered',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const arrivals = await node.collect(type, { group: context.group() });
      const bodies = [0, 1, unencodable(), 3, 4];
      const failures = await failuresOf(node.publishAll(type, bodies));
      assert.deepEqual([...failures.keys()], [2]);
      assert(isEventsError(failures.get(2)), 'the reason is an EventsError');
      await assert.rejects(node.publish(type, unencodable()), 'alone it is rejected too');
      await context.until(
        () => arrivals.done.length === 4,
        () => `four events are handled (${arrivals.bodies})`,
      );
      assert.deepEqual(sorted(arrivals.bodies as number[]), [0, 1, 3, 4]);
    },
  },
  {
    id: 'publish/partition-out-of-range',
    clause: 'C6',
    title: 'a partition that the topic does not have rejects that event with an EventsError, and no other',
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const failures = await failuresOf(
        node.publishBatch([
          { type, body: 0, partition: 0 },
          { type, body: 1, partition: OUT_OF_RANGE },
          { type, body: 2 },
        ]),
      );
      assert.deepEqual([...failures.keys()], [1]);
      assert(isEventsError(failures.get(1)), 'the reason is an EventsError');
    },
  },
  {
    id: 'publish/confirmed',
    clause: 'C6',
    title: 'publish resolves after the event is stored: the log shows it at once',
    needs: ['log'],
    async run(context) {
      const node = await context.node();
      for (const body of numbers(10)) {
        await node.publish(context.type(), body);
        const entries = await node.entries(context.topic);
        assert.equal(entries.length, body + 1, 'the log holds all that was confirmed');
      }
    },
  },
  {
    id: 'publish/delivered',
    clause: 'C6',
    title: 'what was confirmed is delivered, what was rejected is not: 500 events published at once',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const type = context.type();
      const arrivals = await node.collect<number>(type, { group: context.group(), concurrency: 50 });
      const outcomes = await Promise.allSettled(numbers(500).map((body) => node.publish(type, body)));
      const confirmed = numbers(500).filter((body) => outcomes[body]?.status === 'fulfilled');
      assert.equal(confirmed.length, 500, 'nothing is wrong with any of them');
      await context.until(
        () => arrivals.done.length >= 500,
        () => `500 events are handled (${arrivals.done.length})`,
      );
      assert.deepEqual(sorted(arrivals.bodies), confirmed);
    },
  },
  {
    id: 'publish/beside-subscriptions',
    clause: 'C7',
    title: `${IDLE_SUBSCRIPTIONS} subscriptions that wait for events do not hold up publishing`,
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      await Promise.all(
        numbers(IDLE_SUBSCRIPTIONS).map((index) =>
          node.collect(`${context.name}${index}.idle`, { group: context.group() }),
        ),
      );
      const publishing = (async () => {
        for (const body of numbers(IDLE_SUBSCRIPTIONS)) await node.publish(context.type(), body);
        return true;
      })();
      let published = false;
      publishing.then(
        () => (published = true),
        () => {},
      );
      await context.until(() => published, 'one event after another is confirmed while subscriptions wait');
    },
  },
];
