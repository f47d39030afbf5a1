import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEventsError, type TopicStrategy } from '@logistically/events-kernel';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

/** No partition of any topic, in the order of how likely somebody is to write it. */
const NO_PARTITIONS: readonly unknown[] = [1_000_000, -1, 0.5, Number.NaN, 'length'];

const count = (values: readonly number[]): string => `${values.length} so far`;

export const deliveryCases: readonly Case[] = [
  {
    id: 'delivery/once',
    clause: 'contract',
    title: 'what is published after subscribing arrives, each event once: 100 in a batch, 20 one by one',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), { group: context.group() });
      await node.publishAll(context.type(), numbers(100));
      for (const body of numbers(20, 100)) await node.publish(context.type(), body);
      await context.until(
        () => arrivals.done.length >= 120,
        () => `120 events are handled: ${count(arrivals.done)}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(arrivals.bodies), numbers(120));
    },
  },
  {
    id: 'delivery/shape',
    clause: 'contract',
    title: 'a batch is never empty, a delivery object never comes twice, attempts count from 1',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const failing = await node.collect<number>(context.type(), {
        group: context.group(),
        concurrency: 5,
        handle: ({ attempt, body }) => {
          if (attempt === 1 && body % 2 === 0) throw context.failure();
        },
      });
      await node.publishAll(context.type(), numbers(10));
      await context.until(
        () => failing.done.length >= 10,
        () => `ten events are handled: ${count(failing.done)}`,
      );
      const [tapped] = node.tap.subscriptions;
      assert(tapped);
      assert.equal(tapped.emptyBatches, 0, 'no batch is empty');
      assert.equal(new Set(tapped.deliveries).size, tapped.deliveries.length, 'each arrival is a delivery of its own');
      for (const { topic, partition, cursor, attempt } of tapped.deliveries) {
        assert.equal(topic, context.topic);
        assert(Number.isInteger(partition) && partition >= 0, 'the partition is a number from 0 on');
        assert(Number.isInteger(attempt) && attempt >= 1, 'the attempt is a number from 1 on');
        assert(typeof cursor === 'string' && cursor !== '', 'the cursor is text');
      }
    },
  },
  {
    id: 'delivery/own-topic',
    clause: 'contract',
    title: 'a subscription gets the events of its topic and of no other',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const [type, other] = [context.type(), `${context.name}-other.created`];
      const arrivals = await node.collect(type, { group: context.group() });
      const others = await node.collect(other, { group: context.group() });
      await node.publishBatch([
        { type: other, body: 'other' },
        { type, body: 'own' },
      ]);
      await context.until(() => arrivals.done.length === 1 && others.done.length === 1, 'both are handled');
      assert.deepEqual([arrivals.bodies, others.bodies], [['own'], ['other']]);
      for (const { subscription, deliveries } of node.tap.subscriptions) {
        for (const { topic } of deliveries) assert(subscription.topics.includes(topic), `${topic} was not asked for`);
      }
    },
  },
  {
    id: 'delivery/many-topics',
    clause: 'contract',
    title: 'one subscription takes several topics, known ones and ones that do not exist yet',
    needs: ['subscribe'],
    async run(context) {
      const topicOf = (type: string): string => `${context.name}-${type.split('.').at(-1)}`;
      const topics: TopicStrategy = {
        topicOf,
        topicsOf: () => ['a', 'b', 'c'].map((name) => `${context.name}-${name}`),
      };
      const node = await context.node({ topics });
      await node.publish(context.type('a'), 'before');
      const arrivals = await node.collect(`${context.name}.*`, { group: context.group() });
      for (const suffix of ['a', 'b', 'c']) await node.publish(context.type(suffix), suffix);
      await context.until(
        () => arrivals.done.length >= 3,
        () => `three events are handled: ${arrivals.done}`,
      );
      assert.deepEqual(arrivals.bodies.toSorted(), ['a', 'b', 'c']);
    },
  },
  {
    id: 'delivery/patterns',
    clause: 'contract',
    title: '`shop.*`, `*.created` and an exact type each get the events that they take',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const last = `done-${context.name}`;
      const patterns = [`${context.name}.*`, `*.${last}`, `${context.name}.order.${last}`, `${context.name}.order`];
      const all = await Promise.all(
        patterns.map((pattern, index) => node.collect<number>(pattern, { group: context.group(String(index)) })),
      );
      const types = [
        `${context.name}.order`,
        `${context.name}.order.${last}`,
        `${context.name}-b.x.y.${last}`,
        `${context.name}-b.x`,
      ];
      await node.publishBatch(types.map((type, body) => ({ type, body })));
      const expected = [[0, 1], [1, 2], [1], [0]];
      const seen = (): number[][] => all.map(({ done }) => sorted(done));
      await context.until(
        () => seen().every((bodies, index) => bodies.length >= (expected[index]?.length ?? 0)),
        () => `each pattern gets its events: ${JSON.stringify(seen())}`,
      );
      await context.quiet();
      assert.deepEqual(seen(), expected);
    },
  },
  {
    id: 'delivery/wildcard-existing',
    clause: 'contract',
    title: 'a subscription to all topics gets the events of topics that exist',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const [one, other] = [`${context.name}-a.${context.name}`, `${context.name}-b.${context.name}`];
      await node.publishBatch([one, other].map((type) => ({ type, body: 'before' })));
      const arrivals = await node.collect(`*.${context.name}`, { group: context.group(), concurrency: 10 });
      await node.publishBatch([one, other].map((type) => ({ type, body: type })));
      await context.until(
        () => arrivals.done.length >= 2,
        () => `two events are handled: ${arrivals.done}`,
      );
      assert.deepEqual(arrivals.bodies.toSorted(), [one, other]);
    },
  },
  {
    id: 'delivery/wildcard-later',
    clause: 'contract',
    title: 'a subscription to all topics gets the first event of a topic that comes into being later',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const publisher = await context.node();
      const arrivals = await node.collect(`*.${context.name}`, { group: context.group(), concurrency: 10 });
      for (const suffix of ['a', 'b', 'c']) {
        await publisher.publishAll(`${context.name}-${suffix}.${context.name}`, [`${suffix}1`, `${suffix}2`]);
        await context.until(
          () => arrivals.done.includes(`${suffix}2`),
          () => `topic ${suffix} is found: ${arrivals.done}`,
        );
      }
      assert.deepEqual(arrivals.bodies.toSorted(), ['a1', 'a2', 'b1', 'b2', 'c1', 'c2']);
    },
  },
  {
    id: 'delivery/wildcard-underived',
    clause: 'contract',
    title: 'a subscription to all topics leaves derived ones, as `dlq:topic` is, to those that name them',
    needs: ['subscribe'],
    async run(context) {
      const derived = `dlq:${context.topic}`;
      const topicOf = (type: string): string => (type.endsWith('.dead') ? derived : context.topic);
      const node = await context.node({ topics: { topicOf, topicsOf: () => 'all' } });
      const all = await node.collect(`${context.name}.*`, { group: context.group('all'), concurrency: 5 });
      const named = await node.collect(context.type('dead'), { group: context.group('named') });
      await node.publish(context.type('dead'), 'dead');
      await node.publish(context.type('alive'), 'alive');
      await context.until(
        () => all.done.length >= 1 && named.done.length >= 1,
        () => `both are handled: ${all.done}, ${named.done}`,
      );
      await context.quiet();
      assert.deepEqual([all.bodies, named.bodies], [['alive'], ['dead']]);
    },
  },
  {
    id: 'delivery/types-of-a-topic',
    clause: 'C1',
    title: 'several subscriptions of one group to different types of one topic: all handled, nothing stuck',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const group = context.group();
      const suffixes = ['created', 'updated', 'deleted', 'moved'];
      const all = await Promise.all(
        suffixes.map((suffix) => node.collect<number>(context.type(suffix), { group, concurrency: 5 })),
      );
      await node.publishBatch(numbers(100).map((body) => ({ type: context.type(suffixes[body % 4]), body })));
      const handled = (): number[] => all.flatMap(({ done }) => done);
      await context.until(
        () => handled().length >= 100,
        () => `100 events are handled: ${count(handled())}`,
      );
      assert.deepEqual(sorted(handled()), numbers(100));
      for (const [index, { bodies }] of all.entries())
        assert(
          bodies.every((body) => body % 4 === index),
          'each gets its own type',
        );
      if (!context.claims.has('inspect')) return;
      const pending = async (): Promise<number> => {
        const { partitions } = await node.can('inspect').topic(context.topic);
        return partitions
          .flatMap(({ groups }) => groups)
          .reduce((sum, state) => sum + (state.group === group ? state.pending : 0), 0);
      };
      await context.until(async () => (await pending()) === 0, 'nothing is pending');
    },
  },
  {
    id: 'delivery/partitions',
    clause: 'contract',
    title: 'a subscription to partition 0 gets the events of partition 0 and no others',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), { group: context.group(), partitions: [0] });
      const all = await node.collect<number>(context.type(), { group: context.group('all') });
      const publishing = numbers(10).map((body) => node.publish(context.type(), body, { partition: body % 2 }));
      const outcomes = await Promise.allSettled(publishing);
      const stored = numbers(10).filter((body) => outcomes[body]?.status === 'fulfilled');
      const own = stored.filter((body) => body % 2 === 0);
      assert.equal(own.length, 5, 'every topic has a partition 0');
      await context.until(
        () => all.done.length >= stored.length && arrivals.done.length >= own.length,
        'all are handled',
      );
      assert.deepEqual(sorted(arrivals.bodies), own);
      assert.deepEqual(sorted(all.bodies), stored);
    },
  },
  {
    id: 'delivery/no-such-partition',
    clause: 'contract',
    title: 'a subscription to a partition that no topic has is refused with an EventsError, and nothing stays of it',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const group = context.group();
      for (const partition of NO_PARTITIONS) {
        const partitions = [0, partition] as number[];
        const subscribing = node.collect(context.type(), { group, partitions });
        await assert.rejects(subscribing, isEventsError, `${partition} is refused, with an EventsError`);
      }
      const arrivals = await node.collect<number>(context.type(), { group, partitions: [0] });
      await node.publishBatch(numbers(10).map((body) => ({ type: context.type(), body, partition: 0 })));
      await context.until(
        () => arrivals.done.length >= 10,
        () => `ten are handled: ${arrivals.done}`,
      );
      assert.deepEqual(sorted(arrivals.bodies), numbers(10));
    },
  },
  {
    id: 'delivery/slow-neighbour',
    clause: 'C4',
    title: 'a handler that does not end holds up its own event, not the others of its subscription',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const gate = context.gate();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        concurrency: 4,
        handle: async ({ body }) => {
          if (body === 0) await gate.opened;
          else await sleep(1);
        },
      });
      await node.publishAll(context.type(), numbers(60));
      await context.until(
        () => arrivals.done.length >= 59,
        () => `59 of 60 are handled: ${count(arrivals.done)}`,
      );
      assert(!arrivals.done.includes(0));
      gate.open();
      await context.until(() => arrivals.done.includes(0), 'the slow one ends');
    },
  },
];
