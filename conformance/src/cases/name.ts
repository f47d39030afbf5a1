import assert from 'node:assert/strict';
import { firstSegment, type TopicStrategy } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';

/** Endings of topics and groups that a careless key would run together, or take for a pattern. */
const ENDINGS = ['a', 'a.b', 'a-b', 'a_b', 'a.b.', 'A', 'a:b', 'a:b:c', 'a.b:c', '-', '0'];

export const nameCases: readonly Case[] = [
  {
    id: 'name/topics',
    clause: 'C13',
    title: 'topics whose names are alike are different topics, derived ones too',
    needs: ['subscribe'],
    async run(context) {
      const topicOf = (type: string): string => `${context.name}${ENDINGS[Number(type.split('.').at(-1))]}`;
      const topics: TopicStrategy = { ...firstSegment, topicOf };
      const node = await context.node({ topics });
      const types = ENDINGS.map((_, index) => context.type(String(index)));
      const all = await Promise.all(
        types.map((type, index) => node.collect(type, { group: context.group(String(index)) })),
      );
      await node.publishBatch(types.map((type, body) => ({ type, body })));
      await context.until(
        () => all.every(({ done }) => done.length >= 1),
        () => `each gets its own: ${all.map(({ bodies }) => bodies)}`,
      );
      await context.quiet();
      assert.deepEqual(
        all.map(({ bodies }) => bodies),
        numbers(ENDINGS.length).map((index) => [index]),
      );
      const delivered = node.tap.subscriptions.flatMap(({ deliveries }) => deliveries.map(({ topic }) => topic));
      assert.deepEqual(delivered.toSorted(), types.map(topicOf).toSorted(), 'and nothing else came');
    },
  },
  {
    id: 'name/groups',
    clause: 'C13',
    title: 'groups whose names are alike are different groups',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const groups = ENDINGS.map((ending) => `${context.name}${ending}`);
      const all = await Promise.all(groups.map((group) => node.collect(context.type(), { group })));
      await node.publishAll(context.type(), [1, 2]);
      await context.until(
        () => all.every(({ done }) => done.length >= 2),
        () => `each gets all: ${all.map(({ bodies }) => bodies)}`,
      );
    },
  },
];
