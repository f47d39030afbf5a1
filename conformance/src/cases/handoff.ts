import assert from 'node:assert/strict';
import type { Codec, Delivery, LogEntry } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
import type { Node } from '../node.ts';
import { type RawConsumer, rawConsumer } from '../raw.ts';

const NOTES = { reason: 'The case wants it.', attempt: '1' };

/** Bytes that are no event, and no text either. */
const garbage = (): Uint8Array => Uint8Array.from([0, 255, 254, 123, 34, 192, 128, 10, 13, 0]);
const garbageCodec: Codec = {
  name: 'garbage',
  encode: garbage,
  decode: () => {
    throw new Error('Garbage is not decoded.');
  },
};

const deadLetters = (context: CaseContext): string => `dlq:${context.topic}`;

const received = async (context: CaseContext, consumer: RawConsumer, count = 1): Promise<Delivery> => {
  await context.until(
    () => consumer.deliveries.length >= count,
    () => `${count} delivered: ${consumer.deliveries.length}`,
  );
  return consumer.deliveries[count - 1] as Delivery;
};

/** A dead letter, as the log shows it. */
const letterOf = async (context: CaseContext, node: Node, group: string): Promise<LogEntry> => {
  const consumer = await rawConsumer(context, node.handle, { group });
  await node.publish(context.type(), 'ignored');
  const delivery = await received(context, consumer);
  await node.can('handoff').move(delivery, deadLetters(context), NOTES);
  consumer.settle(delivery);
  await consumer.close(Date.now() + context.settings.timeoutMs);
  return (await node.entries(deadLetters(context))).at(-1) as LogEntry;
};

export const handoffCases: readonly Case[] = [
  {
    id: 'handoff/moves',
    clause: 'handoff',
    title: 'a moved entry is in the derived topic byte for byte, its notes beside it, and never comes back',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const group = context.group();
      const consumer = await rawConsumer(context, node.handle, { group });
      await node.publish(context.type(), 'ignored');
      const delivery = await received(context, consumer);
      await node.can('handoff').move(delivery, deadLetters(context), NOTES);
      consumer.settle(delivery);
      const [entry, ...more] = await node.entries(deadLetters(context));
      assert(entry && more.length === 0, 'the derived topic holds one entry');
      assert.deepEqual(Buffer.from(entry.payload as Uint8Array), Buffer.from(garbage()));
      assert.deepEqual({ ...entry.notes }, NOTES);
      await consumer.close(Date.now() + context.settings.timeoutMs);
      const next = await rawConsumer(context, node.handle, { group });
      await node.publish(context.type(), 'ignored');
      await received(context, next);
      await context.quiet();
      assert.deepEqual(
        next.deliveries.map(({ attempt }) => attempt),
        [1],
      );
    },
  },
  {
    id: 'handoff/derived-topic',
    clause: 'C5',
    title: 'the derived topic of a class, `dlq:topic:class`, is a topic like any other: it is read and subscribed to',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const consumer = await rawConsumer(context, node.handle, { group: context.group() });
      const topic = `${deadLetters(context)}:validation`;
      const dead = await rawConsumer(context, node.handle, { group: context.group('dead') }, topic);
      await node.publish(context.type(), 'ignored');
      const delivery = await received(context, consumer);
      await node.can('handoff').move(delivery, topic, NOTES);
      consumer.settle(delivery);
      const letter = await received(context, dead);
      assert.equal(letter.topic, topic);
      assert.deepEqual({ ...letter.notes }, NOTES);
      assert.deepEqual(Buffer.from(letter.payload as Uint8Array), Buffer.from(garbage()));
      dead.settle(letter);
      assert.equal((await node.entries(topic)).length, 1);
    },
  },
  {
    id: 'handoff/once',
    clause: 'handoff',
    title: 'of twenty that move one delivery at once one succeeds, and there is one copy',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node();
      const consumer = await rawConsumer(context, node.handle, { group: context.group() });
      await node.publish(context.type(), 1);
      const delivery = await received(context, consumer);
      const move = (): Promise<void> => node.can('handoff').move(delivery, deadLetters(context), NOTES);
      const outcomes = await Promise.allSettled(numbers(20).map(move));
      consumer.settle(delivery);
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      assert.equal((await node.entries(deadLetters(context))).length, 1);
    },
  },
  {
    id: 'handoff/not-ours-any-more',
    clause: 'handoff',
    title: 'a delivery that was handed back cannot be moved: no copy is made, its new consumer keeps it',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const [first, second] = [await context.node(), await context.node()];
      const group = context.group();
      const consumer = await rawConsumer(context, first.handle, { group });
      await first.publish(context.type(), 1);
      const delivery = await received(context, consumer);
      await consumer.close(Date.now() + context.settings.timeoutMs);
      const next = await rawConsumer(context, second.handle, { group });
      const taken = await received(context, next);
      await assert.rejects(first.can('handoff').move(delivery, deadLetters(context), NOTES), 'it is not ours any more');
      assert.equal((await second.entries(deadLetters(context))).length, 0);
      await second.can('handoff').move(taken, deadLetters(context), NOTES);
      next.settle(taken);
      assert.equal((await second.entries(deadLetters(context))).length, 1);
    },
  },
  {
    id: 'handoff/refused',
    clause: 'handoff',
    title: 'a move that is refused leaves the delivery unsettled: failed, it comes back',
    needs: ['subscribe', 'groups', 'handoff'],
    async run(context) {
      const node = await context.node();
      const consumer = await rawConsumer(context, node.handle, { group: context.group() });
      await node.publish(context.type(), 1);
      const delivery = await received(context, consumer);
      await assert.rejects(async () => node.can('handoff').move(delivery, 'no topic: * {}', NOTES));
      consumer.settle(delivery, context.failure());
      const again = await received(context, consumer, 2);
      assert.deepEqual([again.cursor, again.attempt], [delivery.cursor, 2]);
      consumer.settle(again);
    },
  },
  {
    id: 'handoff/entry-back',
    clause: 'handoff',
    title:
      'a dead letter that is moved back is delivered like a new event, byte for byte, its new notes beside it, and is gone',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const group = context.group();
      const letter = await letterOf(context, node, group);
      const consumer = await rawConsumer(context, node.handle, { group });
      assert.equal(await node.can('handoff').moveEntry(letter, context.topic, { redrives: '1' }), true);
      const { payload, notes, attempt } = await received(context, consumer);
      assert.deepEqual(Buffer.from(payload as Uint8Array), Buffer.from(garbage()));
      assert.deepEqual([{ ...notes }, attempt], [{ redrives: '1' }, 1]);
      assert.deepEqual(await node.entries(deadLetters(context)), []);
      assert.equal(await node.can('handoff').moveEntry(letter, context.topic, {}), false);
      await context.quiet();
      assert.equal(consumer.deliveries.length, 1);
    },
  },
  {
    id: 'handoff/entry-edited',
    clause: 'handoff',
    title: 'a dead letter that is moved with another payload has that one, and no notes where none are given',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const group = context.group();
      const letter = await letterOf(context, node, group);
      const consumer = await rawConsumer(context, node.handle, { group });
      await node.can('handoff').moveEntry(letter, context.topic, {}, 'mended');
      const { payload, notes } = await received(context, consumer);
      assert.deepEqual([payload, notes], ['mended', undefined]);
    },
  },
  {
    id: 'handoff/entry-once',
    clause: 'handoff',
    title: 'of twenty that move or remove one dead letter at once one succeeds',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const { moveEntry, remove } = node.can('handoff');
      const letter = await letterOf(context, node, context.group());
      const outcomes = await Promise.all(
        numbers(20).map((n) => (n % 2 ? moveEntry(letter, context.topic, {}) : remove(letter))),
      );
      assert.equal(outcomes.filter(Boolean).length, 1);
      const stored = await node.entries(context.topic);
      assert.equal(stored.length, outcomes.some((done, n) => done && (numbers(20)[n] as number) % 2) ? 2 : 1);
    },
  },
  {
    id: 'handoff/entry-removed',
    clause: 'handoff',
    title: 'a dead letter that is removed is gone, and its neighbours stay',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const letters = [];
      for (const name of ['a', 'b', 'c']) letters.push(await letterOf(context, node, context.group(name)));
      const [first, second, third] = letters as [LogEntry, LogEntry, LogEntry];
      const { remove } = node.can('handoff');
      const cursors = async (): Promise<string[]> =>
        (await node.entries(deadLetters(context))).map(({ cursor }) => cursor);
      assert.deepEqual([await remove(second), await remove(second)], [true, false]);
      assert.deepEqual(await cursors(), [first.cursor, third.cursor]);
      assert.deepEqual([await remove(first), await remove(third)], [true, true]);
      assert.deepEqual(await cursors(), []);
    },
  },
  {
    id: 'handoff/entry-refused',
    clause: 'handoff',
    title: 'an entry of a topic that derives from none is not moved or removed, nor one to another home',
    needs: ['subscribe', 'groups', 'handoff', 'log'],
    async run(context) {
      const node = await context.node({ codec: garbageCodec });
      const { moveEntry, remove } = node.can('handoff');
      const letter = await letterOf(context, node, context.group());
      const [event] = (await node.entries(context.topic)) as [LogEntry];
      for (const refused of [
        () => moveEntry(event, deadLetters(context), {}),
        () => remove(event),
        () => moveEntry(letter, 'another-topic', {}),
        () => moveEntry(letter, 'no topic: * {}', {}),
      ])
        await assert.rejects(async () => refused());
      assert.equal((await node.entries(context.topic)).length, 1);
      assert.deepEqual(await node.entries(deadLetters(context)), [letter]);
    },
  },
];
