import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { type From, isEventsError, type LogEntry } from '@logistically/events-kernel';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
import type { Node } from '../node.ts';

/** What is neither a name, nor a time, nor a cursor of any broker. As nobody should write it, and somebody will. */
const REFUSED: readonly unknown[] = ['garbage', '', 'LATEST', new Date(Number.NaN), Number.NaN, 7, null, true, {}, []];

/** All entries of the topic, so many as were published: who waits for a log that keeps less waits for ever. */
const allEntries = async (context: CaseContext, node: Node, published: number): Promise<readonly LogEntry[]> => {
  const entries = await node.entries(context.topic);
  assert.equal(entries.length, published, 'the log shows as many entries as were published');
  return entries;
};

/** Publishes until two entries are as new as a time that lies between entries; that time, and all entries. */
const publishPast = async (
  context: CaseContext,
  node: Node,
): Promise<{ time: number; entries: readonly LogEntry[] }> => {
  await node.publishAll(context.type(), numbers(3));
  let entries = await allEntries(context, node, 3);
  const time = (entries[2] as LogEntry).time + 1;
  await context.until(
    async () => {
      await node.publish(context.type(), entries.length);
      entries = await allEntries(context, node, entries.length + 1);
      return entries.filter((entry) => entry.time >= time).length >= 2;
    },
    () => `two of ${entries.length} entries are later than the first three, which were stored before ${time}`,
  );
  return { time, entries };
};

export const positionCases: readonly Case[] = [
  {
    id: 'position/latest',
    clause: 'contract',
    title: 'a new group from `latest` gets what is published from then on',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      await node.publishAll(context.type(), numbers(5));
      const arrivals = await node.collect<number>(context.type(), { group: context.group(), from: 'latest' });
      await node.publishAll(context.type(), numbers(5, 5));
      await context.until(() => arrivals.done.length >= 5, 'five are handled');
      await context.quiet();
      assert.deepEqual(arrivals.bodies.toSorted(), numbers(5, 5));
    },
  },
  {
    id: 'position/earliest',
    clause: 'log',
    title: 'a new group from `earliest` gets all that the topic holds',
    needs: ['subscribe', 'log'],
    async run(context) {
      const node = await context.node();
      await node.publishAll(context.type(), numbers(5));
      const arrivals = await node.collect<number>(context.type(), { group: context.group(), from: 'earliest' });
      await node.publish(context.type(), 5);
      await context.until(
        () => arrivals.done.length >= 6,
        () => `six are handled: ${arrivals.done}`,
      );
      assert.deepEqual(arrivals.bodies.toSorted(), numbers(6));
    },
  },
  {
    id: 'position/cursor',
    clause: 'log',
    title: 'a new group from a cursor begins after it',
    needs: ['subscribe', 'log'],
    async run(context) {
      const node = await context.node();
      await node.publishAll(context.type(), numbers(6));
      const { cursor } = (await node.entries(context.topic))[2] as LogEntry;
      const arrivals = await node.collect<number>(context.type(), { group: context.group(), from: cursor });
      await node.publish(context.type(), 6);
      await context.until(
        () => arrivals.done.length >= 4,
        () => `four are handled: ${arrivals.done}`,
      );
      await context.quiet();
      assert.deepEqual(arrivals.bodies.toSorted(), numbers(4, 3));
    },
  },
  {
    id: 'position/date',
    clause: 'log',
    title: 'a new group from a time gets what was stored at that time or later',
    needs: ['subscribe', 'log'],
    async run(context) {
      const node = await context.node();
      const { time, entries } = await publishPast(context, node);
      const expected = numbers(entries.length).filter((index) => (entries[index]?.time ?? 0) >= time);
      const arrivals = await node.collect<number>(context.type(), { group: context.group(), from: new Date(time) });
      await context.until(
        () => arrivals.done.length >= expected.length,
        () => `${expected} are handled: ${arrivals.done}`,
      );
      await context.quiet();
      assert.deepEqual(
        arrivals.bodies.toSorted((a, b) => a - b),
        expected,
      );
    },
  },
  {
    id: 'position/nonsense',
    clause: 'C13',
    title: 'a cursor that is none is refused, by the log and by a subscription',
    needs: ['subscribe', 'log'],
    async run(context) {
      const node = await context.node();
      await node.publish(context.type(), 1);
      for (const from of ['nonsense', '', '$ {0} *', '\u0000']) {
        await assert.rejects(
          async () => node.can('log').read(context.topic, { from }),
          `the log takes ${JSON.stringify(from)}`,
        );
        const subscribing = node.collect(context.type(), { group: context.group(), from });
        await assert.rejects(subscribing, `a subscription takes ${JSON.stringify(from)}`);
      }
    },
  },
  {
    id: 'position/refused',
    clause: 'log',
    title:
      'a position that is none is refused by a subscription, whether its group is there or not; nothing stays of it',
    needs: ['subscribe', 'groups', 'log'],
    async run(context) {
      const node = await context.node();
      const there = await node.collect<number>(context.type(), { group: context.group('there') });
      await node.publishAll(context.type(), numbers(3));
      for (const from of REFUSED)
        for (const group of [context.group('there'), context.group('new')]) {
          const subscribing = node.collect(context.type(), { group, from: from as From });
          await assert.rejects(subscribing, isEventsError, `${inspect(from)} is refused, with an EventsError`);
        }
      const fresh = await node.collect<number>(context.type(), { group: context.group('new'), from: 'earliest' });
      await node.publishAll(context.type(), numbers(9, 3));
      for (const arrivals of [there, fresh]) {
        await context.until(
          () => arrivals.done.length >= 12,
          () => `twelve are handled: ${arrivals.done}`,
        );
        assert.deepEqual(sorted(arrivals.bodies), numbers(12));
      }
    },
  },
  {
    id: 'absent/log-no-past',
    clause: 'log',
    title: 'without a log a new group from `earliest` is refused, or gets nothing of the past',
    needs: ['subscribe'],
    absent: 'log',
    async run(context) {
      const node = await context.node();
      await node.publishAll(context.type(), numbers(5));
      const subscribing = node.collect<number>(context.type(), { group: context.group(), from: 'earliest' });
      const arrivals = await subscribing.catch((reason) => {
        assert(isEventsError(reason), 'it is refused with an EventsError');
      });
      if (!arrivals) return;
      await node.publish(context.type(), 5);
      await context.until(() => arrivals.done.includes(5), 'the event after it is handled');
      assert.deepEqual(arrivals.bodies, [5]);
    },
  },
];
