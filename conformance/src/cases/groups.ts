import assert from 'node:assert/strict';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

export const groupCases: readonly Case[] = [
  {
    id: 'groups/each-gets-all',
    clause: 'groups',
    title: 'every group gets every event',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const groups = await Promise.all(
        ['a', 'b', 'c'].map((suffix) =>
          node.collect<number>(context.type(), { group: context.group(suffix), concurrency: 5 }),
        ),
      );
      await node.publishAll(context.type(), numbers(30));
      await context.until(() => groups.every(({ done }) => done.length >= 30), 'each group handles 30');
      for (const { bodies } of groups) assert.deepEqual(sorted(bodies), numbers(30));
    },
  },
  {
    id: 'groups/one-member-each',
    clause: 'groups',
    title: 'of 300 events each goes to one of three members of a group, and to one only',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const nodes = [await context.node(), await context.node(), await context.node()];
      const members = await Promise.all(
        nodes.map((node) => node.collect<number>(context.type(), { group, concurrency: 10 })),
      );
      const handled = (): number[] => members.flatMap(({ done }) => done);
      await Promise.all(nodes.map((node, index) => node.publishAll(context.type(), numbers(100, index * 100))));
      await context.until(
        () => handled().length >= 300,
        () => `300 are handled: ${handled().length}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(members.flatMap(({ bodies }) => bodies)), numbers(300));
    },
  },
  {
    id: 'groups/members-share',
    clause: 'groups',
    title: 'a member that is busy leaves the next event to the other member',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const gate = context.gate();
      const nodes = [await context.node(), await context.node()];
      const members = await Promise.all(
        nodes.map((node) => node.collect<number>(context.type(), { group, handle: () => gate.opened })),
      );
      await nodes[0]?.publishAll(context.type(), numbers(2));
      await context.until(
        () => members.every(({ all }) => all.length === 1),
        () => `each member holds one of two: ${members.map(({ bodies }) => bodies.length)}`,
      );
    },
  },
  {
    id: 'groups/goes-on',
    clause: 'groups',
    title: 'a group that was away goes on where it was, whatever `from` says now',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const node = await context.node();
      const options = { group, concurrency: 10 };
      const first = await node.collect<number>(context.type(), options);
      await node.publishAll(context.type(), numbers(10));
      await context.until(() => first.done.length >= 10, 'ten are handled');
      await first.unsubscribe();
      await node.publishAll(context.type(), numbers(10, 10));
      const second = await node.collect<number>(context.type(), { ...options, from: 'latest' });
      await context.until(
        () => second.done.length >= 10,
        () => `the ten that it missed are handled: ${second.done}`,
      );
      await second.unsubscribe();
      const third = await node.collect<number>(context.type(), { ...options, from: 'earliest' });
      await node.publish(context.type(), 20);
      await context.until(() => third.done.includes(20), 'the next event is handled');
      await context.quiet();
      assert.deepEqual([sorted(second.bodies), third.bodies], [numbers(10, 10), [20]]);
    },
  },
  {
    id: 'groups/overlapping-topics',
    clause: 'groups',
    title: 'subscriptions of one group that overlap in topics share their events: one handles each',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const type = `${context.name}.x.${context.name}`;
      const nodes = [await context.node(), await context.node(), await context.node()];
      const patterns = [type, `${context.name}.*`, `*.${context.name}`];
      const members = await Promise.all(
        nodes.map((node, index) => node.collect<number>(patterns[index] as string, { group, concurrency: 5 })),
      );
      await nodes[0]?.publishAll(type, numbers(60));
      const handled = (): number[] => members.flatMap(({ done }) => done);
      await context.until(
        () => handled().length >= 60,
        () => `60 are handled: ${handled().length}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(members.flatMap(({ bodies }) => bodies)), numbers(60));
    },
  },
  {
    id: 'groups/many-subscriptions-of-a-node',
    clause: 'groups',
    title: 'one node with ten groups on ten topics: each group gets its topic',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const types = numbers(10).map((index) => `${context.name}-${index}.created`);
      const all = await Promise.all(
        types.map((type, index) => node.collect<number>(type, { group: context.group(String(index)), concurrency: 3 })),
      );
      await node.publishBatch(numbers(100).map((body) => ({ type: types[body % 10] as string, body })));
      await context.until(() => all.every(({ done }) => done.length >= 10), 'each group handles its ten');
      for (const [index, { bodies }] of all.entries())
        assert.deepEqual(
          sorted(bodies),
          numbers(10).map((n) => n * 10 + index),
        );
    },
  },
  {
    id: 'absent/groups-everyone-gets-everything',
    clause: 'groups',
    title: 'without groups every subscription gets every event, under one group name too',
    needs: ['subscribe'],
    absent: 'groups',
    async run(context) {
      const node = await context.node();
      const group = context.group();
      const all = [
        await node.collect<number>(context.type(), { group, concurrency: 5 }),
        await node.collect<number>(context.type(), { group, concurrency: 5 }),
      ];
      await node.publishAll(context.type(), numbers(20));
      await context.until(() => all.every(({ done }) => done.length >= 20), 'each subscription handles 20');
      for (const { bodies } of all) assert.deepEqual(sorted(bodies), numbers(20));
    },
  },
];
