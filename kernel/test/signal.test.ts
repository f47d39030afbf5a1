import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import type { HandlerContext, OutgoingEvent, Settle } from '../src/index.ts';
import { deferred, type Probe, startProbe } from './probe.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

/** The warnings that Node gives while `work` is done. */
const warningsOf = async (work: () => Promise<unknown>): Promise<string[]> => {
  const warnings: string[] = [];
  const hear = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', hear);
  await work();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', hear);
  return warnings;
};

/** Keeps what is published until it is told to settle it. */
const holding = (probe: Probe) => {
  const held: [OutgoingEvent, Settle<OutgoingEvent>][] = [];
  probe.onPublish = (batch, settle) => {
    for (const event of batch) held.push([event, settle]);
  };
  return (reason?: unknown): void => {
    for (const [event, settle] of held.splice(0)) settle(event, reason);
  };
};

const publishMany = async (settled: 'done' | 'failed' | 'aborted first'): Promise<number[]> => {
  const { kernel, probe } = await startProbe();
  const settle = holding(probe);
  const controller = new AbortController();
  const { signal } = controller;
  const all = Promise.allSettled(Array.from({ length: 50 }, () => kernel.publish('a.x', 1, { signal })));
  const before = listeners(signal);
  if (settled === 'aborted first') controller.abort();
  settle(settled === 'failed' ? new Error('no') : undefined);
  const results = await all;
  expect(new Set(results.map(({ status }) => status)).size).toBe(1);
  return [before, listeners(signal)];
};

test.each(['done', 'failed', 'aborted first'] as const)(
  'many publishes share a signal without a warning and leave nothing on it: %s',
  async (settled) => {
    const warnings = await warningsOf(async () => expect(await publishMany(settled)).toEqual([50, 0]));
    expect(warnings).toEqual([]);
  },
);

test.each([undefined, new Error('no')])('one that is settled at once leaves nothing on it: %s', async (reason) => {
  const { kernel, probe } = await startProbe();
  probe.onPublish = (batch, settle) => settle(batch[0] as OutgoingEvent, reason);
  const { signal } = new AbortController();
  await kernel.publish('a.x', 1, { signal }).catch(() => {});
  expect(listeners(signal)).toBe(0);
});

test('an aborted publish that is never settled leaves nothing on it', async () => {
  const { kernel, probe } = await startProbe();
  holding(probe);
  const controller = new AbortController();
  const publishing = kernel.publish('a.x', 1, { signal: controller.signal });
  controller.abort();
  await expect(publishing).rejects.toMatchObject({ code: 'EVENTS_ABORTED' });
  expect(listeners(controller.signal)).toBe(0);
});

test('many subscriptions share a signal without a warning, and each leaves nothing on it', async () => {
  const { kernel, probe } = await startProbe();
  const { signal } = new AbortController();
  const warnings = await warningsOf(async () => {
    const open = Array.from({ length: 20 }, () => kernel.subscribe('a.x', () => {}, { signal }));
    const subscriptions = await Promise.all(open);
    expect(listeners(signal)).toBe(20);
    await Promise.all(subscriptions.map(({ unsubscribe }) => unsubscribe()));
    probe.before.subscribe = () => Promise.reject(new Error('no'));
    await kernel.subscribe('a.x', () => {}, { signal }).catch(() => {});
  });
  expect([warnings, listeners(signal)]).toEqual([[], 0]);
});

test('a signal that is not of Node works as well', async () => {
  const { kernel, probe } = await startProbe();
  holding(probe);
  const listening = deferred<() => void>();
  const foreign = {
    aborted: false,
    reason: 'enough',
    addEventListener: (_: string, listener: () => void) => listening.resolve(listener),
    removeEventListener() {},
  };
  const publishing = kernel.publish('a.x', 1, { signal: foreign as never });
  (await listening.promise)();
  await expect(publishing).rejects.toMatchObject({ code: 'EVENTS_ABORTED', cause: 'enough' });
});

test('a signal that is looked at after its delivery was settled is kept by nobody', async () => {
  const { kernel, probe } = await startProbe();
  const contexts: HandlerContext[] = [];
  const subscription = await kernel.subscribe('a.x', (_, context) => void contexts.push(context));
  await probe.settled(probe.deliver('a.x', 1));
  const late = contexts[0]?.signal;
  await subscription.unsubscribe();
  expect(late?.aborted).toBe(false);
});
