import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';
import { rawConsumer } from '../raw.ts';

const SHORT_MS = 60;

export const shutdownCases: readonly Case[] = [
  {
    id: 'shutdown/hands-back',
    clause: 'C11',
    title: 'what a closing consumer could not finish comes to another one, with the attempt raised',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      const held = await first.collect<number>(context.type(), { group, concurrency: 10, handle: () => gate.opened });
      await first.publishAll(context.type(), numbers(10));
      await context.until(() => held.all.length === 10, 'ten are held');
      const arrivals = await second.collect<number>(context.type(), { group, concurrency: 10 });
      const { unsettled } = await first.stop(SHORT_MS);
      assert.equal(unsettled, 10, 'and reported');
      await context.until(
        () => arrivals.done.length >= 10,
        () => `ten are handed back: ${arrivals.done}`,
      );
      assert.deepEqual(sorted(arrivals.bodies), numbers(10));
      for (const { attempt } of arrivals.all) assert(attempt >= 2, `attempt ${attempt} is not raised`);
    },
  },
  {
    id: 'shutdown/never-begun',
    clause: 'C3',
    title: 'what a closing consumer had and no handler began comes to another one as the same attempt',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      // One at a time, and the slots of the other one: of what comes by them all but one wait.
      const slow = await first.collect<number>(context.type(), { group, handle: () => gate.opened });
      const quick = await first.collect<number>(context.type(), { group, concurrency: 5 });
      await first.publishAll(context.type(), numbers(5));
      await context.until(() => slow.all.length === 1 && quick.done.length >= 4, 'one is at work, others wait');
      const begun = slow.bodies[0] as number;
      const arrivals = await second.collect<number>(context.type(), { group, concurrency: 5 });
      await first.stop(SHORT_MS);
      await context.until(
        () => new Set(arrivals.done).size === 5,
        () => `five are handled: ${arrivals.done}`,
      );
      for (const body of numbers(5)) assert.deepEqual(arrivals.attemptsOf(body), [body === begun ? 2 : 1]);
    },
  },
  {
    id: 'shutdown/by-the-deadline',
    clause: 'C11',
    title: 'stop, unsubscribe and close come back by their deadline, with a handler that never ends',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const gate = context.gate();
      const stuck = await node.collect(context.type(), { group: context.group(), handle: () => gate.opened });
      const other = await node.collect(context.type(), { group: context.group('other'), handle: () => gate.opened });
      await node.publishAll(context.type(), numbers(5));
      await context.until(() => stuck.all.length > 0 && other.all.length > 0, 'both handlers are stuck');
      await other.unsubscribe(SHORT_MS);
      await node.stop(SHORT_MS);
      await context.until(
        () => node.tap.closing.size === 0,
        () => `these come back: ${[...node.tap.closing].join(', ')}`,
      );
    },
  },
  {
    id: 'shutdown/nothing-after-stop',
    clause: 'C11',
    title: 'once a consumer has stopped nothing more is delivered to it',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const stopped = await rawConsumer(context, node.handle, { group: context.group('stopped'), concurrency: 5 });
      const witness = await node.collect(context.type(), { group: context.group('witness'), concurrency: 5 });
      await node.publishAll(context.type(), numbers(10));
      await context.until(
        () => stopped.deliveries.length === 5,
        () => `five are held: ${stopped.deliveries.length}`,
      );
      await stopped.stop();
      for (const delivery of stopped.deliveries) stopped.settle(delivery);
      await node.publishAll(context.type(), numbers(10, 10));
      await context.until(() => witness.done.length === 20, 'another subscription gets everything');
      await context.quiet();
      assert.equal(stopped.deliveries.length, 5);
    },
  },
  {
    id: 'shutdown/settles-after-stop',
    clause: 'C11',
    title: 'what was delivered before stop is settled after it, and does not come back',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const group = context.group();
      const stopped = await rawConsumer(context, node.handle, { group });
      await node.publishAll(context.type(), numbers(6));
      await context.until(
        () => stopped.deliveries.length === 6,
        () => `six are held: ${stopped.deliveries.length}`,
      );
      await stopped.stop();
      for (const delivery of stopped.deliveries.slice(0, 4)) stopped.settle(delivery);
      await stopped.close(Date.now() + context.settings.timeoutMs);
      const arrivals = await node.collect<number>(context.type(), { group, concurrency: 10 });
      await node.publish(context.type(), 6);
      await context.until(
        () => arrivals.done.length >= 3,
        () => `three are handled: ${arrivals.done}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(arrivals.bodies), [4, 5, 6]);
    },
  },
  {
    id: 'shutdown/in-mid-batch',
    clause: 'C1',
    title: 'unsubscribing in the middle of 100 events loses none and repeats none',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const handle = (): Promise<void> => sleep(1);
      const leaving = await first.collect<number>(context.type(), { group, concurrency: 10, handle });
      await first.publishAll(context.type(), numbers(100));
      await context.until(() => leaving.done.length >= 25, 'a quarter is handled');
      await leaving.unsubscribe();
      const staying = await second.collect<number>(context.type(), { group, concurrency: 10, handle });
      const handled = (): number[] => [...leaving.done, ...staying.done];
      await context.until(
        () => handled().length >= 100,
        () => `100 are handled: ${handled().length}`,
      );
      await context.quiet();
      assert.deepEqual(sorted([...leaving.bodies, ...staying.bodies]), numbers(100));
    },
  },
  {
    id: 'shutdown/flushes-what-is-settled',
    clause: 'C11',
    title: 'what was handled right before stopping is acknowledged: the next consumer gets only new events',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const done = await first.collect<number>(context.type(), { group, concurrency: 100 });
      await first.publishAll(context.type(), numbers(100));
      await context.until(
        () => done.done.length === 100,
        () => `100 are handled: ${done.done.length}`,
      );
      await first.stop();
      const next = await second.collect<number>(context.type(), { group, concurrency: 100 });
      await second.publish(context.type(), 100);
      await context.until(() => next.done.includes(100), 'the next event is handled');
      await context.quiet();
      assert.deepEqual(next.bodies, [100]);
    },
  },
  {
    id: 'shutdown/flushes-what-is-published',
    clause: 'C11',
    title: 'what was given to publish before stop is confirmed or rejected; what was confirmed is delivered',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const [publisher, consumer] = [await context.node(), await context.node()];
      const arrivals = await consumer.collect<number>(context.type(), { group: context.group(), concurrency: 50 });
      const publishing = Promise.allSettled(numbers(200).map((body) => publisher.publish(context.type(), body)));
      const { unpublished } = await publisher.stop();
      assert.equal(unpublished, 0);
      const outcomes = await publishing;
      const confirmed = numbers(200).filter((body) => outcomes[body]?.status === 'fulfilled');
      await context.until(
        () => confirmed.every((body) => arrivals.done.includes(body)),
        () => `${confirmed.length} confirmed, ${arrivals.done.length} handled`,
      );
    },
  },
];
