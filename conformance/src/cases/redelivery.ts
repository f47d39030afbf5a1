import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

/** How far two clocks of one machine may seem apart. */
const CLOCK_MS = 15;
const SHORT_MS = 60;
const LEASES = 3;

export const redeliveryCases: readonly Case[] = [
  {
    id: 'redelivery/comes-back',
    clause: 'C1',
    title: 'an event whose handler fails is delivered again, after the back-off of the transport',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect(context.type(), {
        group: context.group(),
        handle: ({ number }) => {
          if (number === 1) throw new Error('The first try fails.');
        },
      });
      await node.publish(context.type(), 'once more');
      await context.until(() => arrivals.done.length === 1, 'it comes back and is handled', context.settings.leaseMs);
      assert.deepEqual(arrivals.bodies, ['once more', 'once more']);
    },
  },
  {
    id: 'redelivery/attempts',
    clause: 'C3',
    title: 'attempts count 1, 2, 3, 4, for each event by itself',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        handle: ({ body, attempt }) => {
          if (attempt <= body) throw context.failure();
        },
      });
      await node.publishAll(context.type(), numbers(4));
      await context.until(
        () => arrivals.done.length === 4,
        () => `four are handled: ${arrivals.done}`,
      );
      for (const body of numbers(4)) assert.deepEqual(arrivals.attemptsOf(body), numbers(body + 1, 1));
    },
  },
  {
    id: 'redelivery/blocks-nobody',
    clause: 'C4',
    title: 'an event that fails over and over does not hold up those behind it',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        handle: ({ body }) => {
          if (body === 0) throw context.failure(context.settings.timeoutMs * 20);
        },
      });
      await node.publishAll(context.type(), numbers(50));
      await context.until(
        () => arrivals.done.length === 49,
        () => `49 are handled: ${arrivals.done.length}`,
      );
      assert.deepEqual(sorted(arrivals.done), numbers(49, 1));
    },
  },
  {
    id: 'redelivery/starves-nobody',
    clause: 'C4',
    title: 'events that fail for ever, and come back at once, leave room for all others',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        concurrency: 2,
        handle: async ({ body }) => {
          await sleep(1);
          if (body < 5) throw context.failure();
        },
      });
      await node.publishAll(context.type(), numbers(30));
      await context.until(
        () => arrivals.done.length === 25,
        () => `25 are handled: ${arrivals.done.length}`,
      );
      for (const body of numbers(5)) assert(arrivals.bodies.includes(body), 'those that fail are tried too');
    },
  },
  {
    id: 'redelivery/retry-after',
    clause: 'C3',
    title: 'a reason with retryAfterMs: the event comes back, and not before that',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const waitMs = Math.min(300, context.settings.timeoutMs / 2);
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        handle: ({ body, attempt }) => {
          if (body === 0 && attempt === 1) throw context.failure(waitMs);
        },
      });
      await node.publishAll(context.type(), numbers(5));
      await context.until(
        () => arrivals.done.length === 5,
        () => `all are handled: ${arrivals.done}`,
        waitMs,
      );
      const [first, second] = arrivals.all.filter(({ body }) => body === 0);
      assert(first && second);
      const waited = second.time - first.time;
      assert(waited >= waitMs - CLOCK_MS, `it came back after ${waited} ms, asked for were ${waitMs}`);
      assert.deepEqual(sorted(arrivals.done), numbers(5));
    },
  },
  {
    id: 'redelivery/uncounted',
    clause: 'C3',
    title: 'an uncounted reason: the event comes back, not before its retryAfterMs, and as the same attempt',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const waitMs = Math.min(100, context.settings.timeoutMs / 4);
      let calls = 0;
      const arrivals = await node.collect(context.type(), {
        group: context.group(),
        handle: () => {
          calls++;
          if (calls === 1 || calls === 3) throw context.failure(waitMs, { uncounted: true });
          if (calls === 2 || calls === 4) throw context.failure();
        },
      });
      await node.publish(context.type(), 'held back');
      await context.until(() => arrivals.done.length === 1, 'it is handled', 2 * waitMs);
      assert.deepEqual(arrivals.attemptsOf('held back'), [1, 1, 2, 2, 3]);
      const [first, second] = arrivals.all;
      assert(first && second && second.time - first.time >= waitMs - CLOCK_MS, 'it came back before its time');
    },
  },
  {
    id: 'redelivery/attempts-outlive-consumers',
    clause: 'C3',
    title: 'the count of attempts goes on where another consumer takes over',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      const failing = await first.collect(context.type(), {
        group,
        handle: ({ attempt }) => {
          if (attempt < 3) throw context.failure();
          return gate.opened;
        },
      });
      await first.publish(context.type(), 'hard');
      await context.until(
        () => failing.all.length === 3,
        () => `three tries: ${failing.all.length}`,
      );
      await failing.unsubscribe(SHORT_MS);
      const arrivals = await second.collect(context.type(), { group });
      await context.until(() => arrivals.done.length === 1, 'the other consumer handles it');
      assert.deepEqual(arrivals.attemptsOf('hard'), [4]);
    },
  },
  {
    id: 'redelivery/schedule-outlives-consumers',
    clause: 'C3',
    title: 'retryAfterMs is kept when its consumer is gone: the next one gets the event, and not before',
    needs: ['subscribe', 'groups', 'delay'],
    async run(context) {
      const group = context.group();
      const [first, second] = [await context.node(), await context.node()];
      const waitMs = Math.min(500, context.settings.timeoutMs / 2);
      const failing = await first.collect(context.type(), {
        group,
        handle: () => {
          throw context.failure(waitMs);
        },
      });
      await first.publish(context.type(), 'later');
      await context.until(() => first.heard.failed?.length === 1, 'the first consumer has failed');
      await failing.unsubscribe();
      const arrivals = await second.collect(context.type(), { group });
      await context.until(() => arrivals.done.length === 1, 'the second consumer handles it', waitMs);
      const waited = (arrivals.all[0]?.time ?? 0) - (failing.all[0]?.time ?? 0);
      assert(waited >= waitMs - CLOCK_MS, `it came back after ${waited} ms, asked for were ${waitMs}`);
      assert.deepEqual(arrivals.attemptsOf('later'), [2]);
    },
  },
  {
    id: 'redelivery/slow-handler',
    clause: 'C2',
    title: `a handler that works ${LEASES} leases long keeps its event: it is run once, by nobody else`,
    needs: ['subscribe', 'groups'],
    async run(context) {
      const group = context.group();
      const nodes = [await context.node(), await context.node()];
      const handle = async ({ context: { signal } }: { context: { signal: AbortSignal } }): Promise<void> => {
        await sleep(context.settings.leaseMs * LEASES);
        assert(!signal.aborted, 'the lease was lost while the handler worked');
      };
      const all = await Promise.all(nodes.map((node) => node.collect(context.type(), { group, handle })));
      await nodes[0]?.publish(context.type(), 'slow');
      const handled = (): number => all.reduce((sum, { done }) => sum + done.length, 0);
      await context.until(() => handled() > 0, 'it is handled', context.settings.leaseMs * LEASES);
      await context.quiet();
      assert.equal(all.flatMap((arrivals) => arrivals.all).length, 1, 'the handler ran more than once');
    },
  },
  {
    id: 'redelivery/after-crash',
    clause: 'C2',
    title: 'what a dead consumer held comes to another one, with the attempt raised',
    needs: ['subscribe', 'groups'],
    means: 'crash',
    async run(context) {
      const group = context.group();
      const { leaseMs, crash } = context.settings;
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      const held = await first.collect<number>(context.type(), { group, concurrency: 5, handle: () => gate.opened });
      await second.publishAll(context.type(), numbers(5));
      await context.until(
        () => held.all.length === 5,
        () => `five are held: ${held.all.length}`,
      );
      const arrivals = await second.collect<number>(context.type(), { group, concurrency: 5 });
      await crash?.(first.handle);
      await second.publish(context.type(), 5);
      await context.until(
        () => arrivals.done.length >= 6,
        () => `six are handled: ${arrivals.done}`,
        leaseMs * 4,
      );
      assert.deepEqual(sorted(arrivals.bodies), numbers(6));
      for (const { body, attempt } of arrivals.all)
        if (body < 5) assert(attempt >= 2, `attempt ${attempt} is not raised`);
    },
  },
  {
    id: 'redelivery/to-everyone-by-itself',
    clause: 'C1',
    title: 'a failure in one group brings the event back to that group alone',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const failing = await node.collect(context.type(), {
        group: context.group('fails'),
        handle: ({ attempt }) => {
          if (attempt < 3) throw context.failure();
        },
      });
      const fine = await node.collect(context.type(), { group: context.group('fine') });
      await node.publish(context.type(), 'x');
      await context.until(() => failing.done.length === 1, 'the failing group succeeds in the end');
      await context.quiet();
      assert.deepEqual([failing.attemptsOf('x'), fine.attemptsOf('x')], [[1, 2, 3], [1]]);
    },
  },
];
