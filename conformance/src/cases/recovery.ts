import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

const SHORT_MS = 60;
/** A frozen broker may take so many times longer than other things: the transport has a deadline of its own. */
const PATIENCE = 3;

const isConfirmed = (publishing: Promise<unknown>): Promise<boolean> =>
  publishing.then(
    () => true,
    () => false,
  );

export const recoveryCases: readonly Case[] = [
  {
    id: 'recovery/after-restart',
    clause: 'C9',
    title: 'after a restart of the broker publishing and consuming go on by themselves',
    needs: ['subscribe'],
    means: 'restart',
    alone: true,
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect(context.type(), { group: context.group() });
      await node.publish(context.type(), 'before');
      await context.until(() => arrivals.done.includes('before'), 'the event before is handled');
      await context.settings.restart?.();
      let tries = 0;
      const published = (): Promise<boolean> => isConfirmed(node.publish(context.type(), `after ${++tries}`));
      await context.until(published, 'an event is confirmed again');
      await context.until(() => arrivals.done.includes(`after ${tries}`), 'and handled, without subscribing again');
    },
  },
  {
    id: 'recovery/keeps-what-was-confirmed',
    clause: 'durable',
    title: 'a restart of the server loses nothing that was confirmed, and repeats nothing that was acknowledged',
    needs: ['subscribe', 'groups', 'durable/server'],
    means: 'restart',
    alone: true,
    async run(context) {
      const group = context.group();
      const first = await context.node();
      const done = await first.collect<number>(context.type(), { group, concurrency: 10 });
      await first.publishAll(context.type(), numbers(20));
      await context.until(() => done.done.length === 20, 'twenty are handled');
      await first.stop();
      const publisher = await context.node();
      await publisher.publishAll(context.type(), numbers(20, 20));
      await publisher.stop();
      await context.settings.restart?.();
      const second = await context.node();
      const arrivals = await second.collect<number>(context.type(), { group, concurrency: 10 });
      await context.until(
        () => arrivals.done.length >= 20,
        () => `twenty more are handled: ${arrivals.done.length}`,
      );
      await context.quiet();
      assert.deepEqual(sorted(arrivals.bodies), numbers(20, 20));
    },
  },
  {
    id: 'recovery/keeps-attempts',
    clause: 'C3',
    title: 'a restart of the server forgets neither attempts nor when the next one is due',
    needs: ['subscribe', 'groups', 'durable/server'],
    means: 'restart',
    alone: true,
    async run(context) {
      const group = context.group();
      const first = await context.node();
      const gate = context.gate();
      const failing = await first.collect(context.type(), {
        group,
        handle: ({ attempt }) => {
          if (attempt < 3) throw context.failure();
          return gate.opened;
        },
      });
      await first.publish(context.type(), 'hard');
      await context.until(() => failing.all.length === 3, 'three tries');
      await first.stop(SHORT_MS);
      await context.settings.restart?.();
      const second = await context.node();
      const arrivals = await second.collect(context.type(), { group });
      await context.until(() => arrivals.done.length === 1, 'it comes to the next consumer');
      assert.deepEqual(arrivals.attemptsOf('hard'), [4]);
    },
  },
  {
    id: 'recovery/under-load',
    clause: 'C1',
    title: 'a restart in the middle of the work loses nothing that was confirmed',
    needs: ['subscribe', 'groups', 'durable/server'],
    means: 'restart',
    alone: true,
    async run(context) {
      const [publisher, consumer] = [await context.node(), await context.node()];
      const arrivals = await consumer.collect<number>(context.type(), {
        group: context.group(),
        concurrency: 5,
        handle: () => sleep(1),
      });
      const confirmed: number[] = [];
      let publishing = true;
      const work = (async () => {
        for (let body = 0; publishing; body++) {
          if (await isConfirmed(publisher.publish(context.type(), body))) confirmed.push(body);
          // A transport that confirms at once would leave no turn to anybody else.
          await sleep(1);
        }
      })();
      await context.until(() => arrivals.done.length >= 20, 'work is going on');
      await context.settings.restart?.();
      const before = confirmed.length;
      await context.until(() => confirmed.length >= before + 20, 'publishing goes on');
      publishing = false;
      await work;
      const missing = (): number[] => {
        const handled = new Set(arrivals.done);
        return confirmed.filter((body) => !handled.has(body));
      };
      await context.until(
        () => missing().length === 0,
        () => `lost: ${missing()}`,
        context.settings.leaseMs * 4,
      );
    },
  },
  {
    id: 'recovery/wiped',
    clause: 'C9',
    title: 'when everything was deleted on the broker, consuming goes on and a lifecycle event says so',
    needs: ['subscribe'],
    means: 'wipe',
    alone: true,
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<string>(context.type(), { group: context.group() });
      await node.publish(context.type(), 'before');
      await context.until(() => arrivals.done.includes('before'), 'the event before is handled');
      await context.settings.wipe?.();
      // What is published before the loss is noticed may be in a topic that no group has yet; later ones are safe.
      let published = 0;
      const handled = async (): Promise<boolean> => {
        await node.publish(context.type(), `after ${++published}`);
        return arrivals.done.some((body) => body.startsWith('after'));
      };
      await context.until(handled, 'an event after it is handled');
      await context.until(() => (node.heard.recovered?.length ?? 0) > 0, 'the lifecycle event `recovered` is heard');
    },
  },
  {
    id: 'recovery/frozen',
    clause: 'C8',
    title: 'a broker that is frozen is not waited for: publishing is settled, closing comes back, all resumes after',
    needs: ['subscribe'],
    means: 'freeze',
    alone: true,
    async run(context) {
      const [node, leaving] = [await context.node(), await context.node()];
      const arrivals = await node.collect<string>(context.type(), { group: context.group() });
      await leaving.collect(context.type(), { group: context.group('leaving') });
      const { timeoutMs } = context.settings;
      const thaw = await context.settings.freeze?.();
      let outcome: string | undefined;
      try {
        node.kernel.publish(context.type(), 'frozen').then(
          () => (outcome = 'confirmed'),
          () => (outcome = 'rejected'),
        );
        await leaving.stop(SHORT_MS);
        await context.until(
          () => leaving.tap.closing.size === 0,
          () => `these come back: ${[...leaving.tap.closing].join(', ')}`,
        );
        await context.until(
          () => outcome !== undefined,
          'publishing is settled while the broker is frozen',
          timeoutMs * PATIENCE,
        );
        assert.equal(outcome, 'rejected');
      } finally {
        await thaw?.();
      }
      const published = (): Promise<boolean> => isConfirmed(node.publish(context.type(), 'after'));
      await context.until(published, 'publishing goes on', timeoutMs * PATIENCE);
      await context.until(() => arrivals.done.includes('after'), 'and so does consuming', timeoutMs * PATIENCE);
    },
  },
];
