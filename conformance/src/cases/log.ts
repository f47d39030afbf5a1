import assert from 'node:assert/strict';
import type { LogEntry } from '@logistically/events-kernel';
import { jsonCodec } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';

const bodyOf = ({ payload }: LogEntry): unknown => jsonCodec().decode(payload).body;

export const logCases: readonly Case[] = [
  {
    id: 'log/reads-what-was-published',
    clause: 'log',
    title: 'the log shows topic, partition, cursor, time and payload of what was published, oldest first',
    needs: ['log'],
    async run(context) {
      const node = await context.node();
      await node.publishAll(context.type(), numbers(20));
      const entries = await node.can('log').read(context.topic, { from: 'earliest' });
      assert.deepEqual(entries.map(bodyOf), numbers(20));
      assert.equal(new Set(entries.map(({ cursor }) => cursor)).size, 20, 'every cursor is another');
      for (const [index, { topic, partition, time }] of entries.entries()) {
        assert.deepEqual({ topic, partition }, { topic: context.topic, partition: 0 });
        assert(Math.abs(time - Date.now()) < 3_600_000, `${time} is no time in ms since the epoch`);
        assert(index === 0 || time >= (entries[index - 1]?.time ?? 0), 'time does not run backwards');
      }
    },
  },
  {
    id: 'log/pages',
    clause: 'log',
    title: 'reading on from the last cursor, page by page, shows every entry once; a page is 100 by default',
    needs: ['log'],
    async run(context) {
      const node = await context.node();
      const log = node.can('log');
      await node.publishAll(context.type(), numbers(105));
      assert.equal((await log.read(context.topic)).length, 100);
      const seen: unknown[] = [];
      let page = await log.read(context.topic, { from: 'earliest', limit: 20 });
      for (let pages = 1; page.length > 0; pages++) {
        assert(page.length <= 20 && pages <= 10, `page ${pages} holds ${page.length} entries`);
        seen.push(...page.map(bodyOf));
        page = await log.read(context.topic, { from: (page.at(-1) as LogEntry).cursor, limit: 20 });
      }
      assert.deepEqual(seen, numbers(105));
    },
  },
  {
    id: 'log/by-time',
    clause: 'log',
    title: 'read from a time on: what was stored at that time or later; from `latest`: nothing',
    needs: ['log'],
    async run(context) {
      const node = await context.node();
      const log = node.can('log');
      for (const body of numbers(10)) await node.publish(context.type(), body);
      const all = await node.entries(context.topic);
      for (const { time } of all) {
        const later = await log.read(context.topic, { from: new Date(time) });
        assert.deepEqual(
          later,
          all.filter((entry) => entry.time >= time),
        );
      }
      assert.deepEqual(await log.read(context.topic, { from: new Date((all.at(-1)?.time ?? 0) + 1) }), []);
      assert.deepEqual(await log.read(context.topic, { from: 'latest' }), []);
    },
  },
  {
    id: 'log/touches-no-group',
    clause: 'log',
    title: 'reading takes nothing away from a group',
    needs: ['log', 'subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const group = context.group();
      await (await node.collect(context.type(), { group })).unsubscribe();
      await node.publishAll(context.type(), numbers(10));
      assert.equal((await node.entries(context.topic)).length, 10);
      const arrivals = await node.collect<number>(context.type(), { group });
      await context.until(() => arrivals.done.length >= 10, 'the group gets all ten');
    },
  },
  {
    id: 'log/topics',
    clause: 'log',
    title: 'the topics that exist are listed; reading one that does not exist finds nothing and makes nothing',
    needs: ['log'],
    async run(context) {
      const node = await context.node();
      const log = node.can('log');
      const [one, other, none] = ['a', 'b', 'none'].map((suffix) => `${context.name}-${suffix}`);
      assert.deepEqual(await log.read(`${none}-events`), []);
      await node.publishBatch([one, other].map((name) => ({ type: `${name}.x`, body: 1 })));
      const listed = async (): Promise<string[]> =>
        (await log.topics()).filter((topic) => topic.startsWith(`${context.name}-`)).toSorted();
      await context.until(async () => (await listed()).length >= 2, 'both topics are listed');
      assert.deepEqual(await listed(), [`${one}-events`, `${other}-events`]);
    },
  },
  {
    id: 'log/other-handle',
    clause: 'log',
    title: 'every handle on the broker reads the same log',
    needs: ['log'],
    async run(context) {
      const [one, other] = [await context.node(), await context.node()];
      await one.publishAll(context.type(), numbers(5));
      assert.deepEqual(await other.entries(context.topic), await one.entries(context.topic));
    },
  },
];
