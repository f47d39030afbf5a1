import assert from 'node:assert/strict';
import type { GroupState } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';
import type { Node } from '../node.ts';

const SHORT_MS = 60;

/** The numbers of a group, over all partitions of the topic. */
const stateOf = async (node: Node, topic: string, group: string): Promise<Omit<GroupState, 'group'>> => {
  const { partitions } = await node.can('inspect').topic(topic);
  const states = partitions.flatMap(({ groups }) => groups).filter((state) => state.group === group);
  assert(states.length > 0, `the group ${group} is not shown`);
  const sum = (of: (state: GroupState) => number): number => states.reduce((total, state) => total + of(state), 0);
  const lag = states.some((state) => state.lag === undefined) ? undefined : sum((state) => state.lag ?? 0);
  return {
    lag,
    pending: sum(({ pending }) => pending),
    delayed: sum(({ delayed }) => delayed),
    consumers: states.flatMap(({ consumers }) => consumers),
  };
};

/** Waits until the numbers are these. */
const shows = async (
  context: CaseContext,
  node: Node,
  expected: { readonly lag: number; readonly pending: number; readonly delayed?: number },
): Promise<void> => {
  let state: Omit<GroupState, 'group'> | undefined;
  await context.until(
    async () => {
      state = await stateOf(node, context.topic, context.group());
      const { lag = expected.lag, pending, delayed } = state;
      return lag === expected.lag && pending === expected.pending && delayed === (expected.delayed ?? delayed);
    },
    () => `${JSON.stringify(expected)} is shown, and not ${JSON.stringify(state)}`,
  );
};

export const inspectCases: readonly Case[] = [
  {
    id: 'inspect/pending-and-lag',
    clause: 'inspect',
    title: 'pending counts what is delivered and not settled, lag what is not delivered; both end at 0',
    needs: ['subscribe', 'groups', 'inspect'],
    async run(context) {
      const node = await context.node();
      const gate = context.gate();
      const options = { group: context.group(), concurrency: 3, handle: () => gate.opened };
      const arrivals = await node.collect<number>(context.type(), options);
      await shows(context, node, { lag: 0, pending: 0, delayed: 0 });
      await node.publishAll(context.type(), numbers(10));
      await context.until(() => arrivals.all.length === 3, 'three are held');
      await shows(context, node, { lag: 7, pending: 3, delayed: 0 });
      const { consumers } = await stateOf(node, context.topic, context.group());
      assert.equal(
        consumers.reduce((sum, { pending }) => sum + pending, 0),
        3,
        'the consumers hold what is pending',
      );
      gate.open();
      await context.until(() => arrivals.done.length === 10, 'ten are handled');
      await shows(context, node, { lag: 0, pending: 0, delayed: 0 });
      const { partitions } = await node.can('inspect').topic(context.topic);
      assert(
        partitions.every(({ length }) => length <= 10),
        'the topic is not longer than what was published',
      );
    },
  },
  {
    id: 'inspect/away',
    clause: 'C12',
    title: 'what piles up while nobody consumes is shown as lag',
    needs: ['subscribe', 'groups', 'inspect'],
    async run(context) {
      const node = await context.node();
      await (await node.collect(context.type(), { group: context.group() })).unsubscribe();
      await node.publishAll(context.type(), numbers(25));
      await shows(context, node, { lag: 25, pending: 0, delayed: 0 });
    },
  },
  {
    id: 'inspect/delayed',
    clause: 'inspect',
    title: 'delayed counts what waits for a later attempt, and pending counts it too',
    needs: ['subscribe', 'groups', 'inspect'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect<number>(context.type(), {
        group: context.group(),
        handle: ({ body }) => {
          if (body < 2) throw context.failure(context.settings.timeoutMs * 20);
        },
      });
      await node.publishAll(context.type(), numbers(5));
      await context.until(() => arrivals.all.length === 5, 'five are tried');
      await shows(context, node, { lag: 0, pending: 2, delayed: 2 });
    },
  },
  {
    id: 'inspect/handed-back',
    clause: 'C11',
    title: 'what was handed back stays pending until somebody settles it',
    needs: ['subscribe', 'groups', 'inspect'],
    async run(context) {
      const [first, second] = [await context.node(), await context.node()];
      const gate = context.gate();
      const held = await first.collect(context.type(), {
        group: context.group(),
        concurrency: 4,
        handle: () => gate.opened,
      });
      await first.publishAll(context.type(), numbers(4));
      await context.until(() => held.all.length === 4, 'four are held');
      await held.unsubscribe(SHORT_MS);
      await shows(context, second, { lag: 0, pending: 4 });
      const arrivals = await second.collect(context.type(), { group: context.group(), concurrency: 4 });
      await context.until(() => arrivals.done.length === 4, 'four are handled');
      await shows(context, second, { lag: 0, pending: 0, delayed: 0 });
    },
  },
];
