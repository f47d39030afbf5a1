import assert from 'node:assert/strict';
import type { Codec, Delivery } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
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
];
