import assert from 'node:assert/strict';
import { numbers, sorted } from '../bodies.ts';
import type { Case } from '../case.ts';

const EVENTS = 2500;
const BATCH = 250;

export const retentionCases: readonly Case[] = [
  {
    id: 'retention/keeps-the-unread',
    clause: 'C10',
    title: `of ${EVENTS} events that pile up for a group each that was confirmed is delivered`,
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const options = { group: context.group(), concurrency: 100 };
      await (await node.collect(context.type(), options)).unsubscribe();
      const confirmed: number[] = [];
      for (let from = 0; from < EVENTS; from += BATCH) {
        const outcomes = await Promise.allSettled(
          numbers(BATCH, from).map((body) => node.publish(context.type(), body)),
        );
        confirmed.push(...numbers(BATCH, from).filter((body) => outcomes[body - from]?.status === 'fulfilled'));
      }
      const arrivals = await node.collect<number>(context.type(), options);
      await context.until(
        () => arrivals.done.length >= confirmed.length,
        () => `${confirmed.length} were confirmed, ${arrivals.done.length} are handled`,
      );
      assert.deepEqual(sorted(arrivals.bodies), confirmed);
      assert(confirmed.length > 0);
    },
  },
  {
    id: 'retention/keeps-the-unsettled',
    clause: 'C10',
    title: 'an event that is being worked on while thousands pass is not lost when it fails',
    needs: ['subscribe', 'groups'],
    async run(context) {
      const node = await context.node();
      const gate = context.gate();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        concurrency: 50,
        handle: async ({ body, attempt }) => {
          if (body !== 0 || attempt > 1) return;
          await gate.opened;
          throw context.failure();
        },
      });
      await node.publish(context.type(), 0);
      await context.until(() => arrivals.all.length === 1, 'the first is being worked on');
      for (let from = 1; from < EVENTS; from += BATCH) {
        const before = arrivals.done.length;
        await node.publishAll(context.type(), numbers(BATCH, from));
        await context.until(() => arrivals.done.length >= before + BATCH, 'the batch is handled');
      }
      gate.open();
      await context.until(() => arrivals.done.includes(0), 'the first comes back and is handled');
    },
  },
];
