import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { OutgoingEvent } from '../src/index.ts';
import { startProbe } from './probe.ts';

const headerOf = (event: OutgoingEvent | undefined) => event?.header;

test('what a handler publishes carries on correlation and causation, over awaits too', async () => {
  const { kernel, probe } = await startProbe();
  await kernel.subscribe(
    'a.*',
    async ({ header }) => {
      if (header.type === 'a.late') await sleep(1);
      await kernel.publish('b.x', header.type);
      await kernel.publish('b.y', header.type);
    },
    { concurrency: 5 },
  );
  const first = probe.deliver('a.early', 1, { cursor: '1', header: { correlationId: 'root' } });
  const second = probe.deliver('a.late', 1, { cursor: '2' });
  await Promise.all([first, second].map((delivery) => probe.settled(delivery)));
  const carried = probe.published.map((event) => [event.body, event.header.correlationId, event.header.causationId]);
  expect(carried.sort()).toEqual([
    ['a.early', 'root', 'id-1'],
    ['a.early', 'root', 'id-1'],
    ['a.late', 'id-2', 'id-2'],
    ['a.late', 'id-2', 'id-2'],
  ]);
});

test('what is said wins over what is carried', async () => {
  const { kernel, probe } = await startProbe();
  await kernel.subscribe('a.x', () => kernel.publish('b.x', 1, { correlationId: 'mine', causationId: 'me' }));
  await probe.settled(probe.deliver('a.x', 1));
  expect(headerOf(probe.published[0])).toMatchObject({ correlationId: 'mine', causationId: 'me' });
});

test('outside of a handler nothing is carried', async () => {
  const { kernel, probe } = await startProbe();
  await kernel.subscribe('a.x', () => {});
  await probe.settled(probe.deliver('a.x', 1));
  await kernel.publish('b.x', 1);
  expect(headerOf(probe.published[0])).not.toHaveProperty('correlationId');
  expect(headerOf(probe.published[0])).not.toHaveProperty('causationId');
});

test('propagate: false carries nothing', async () => {
  const { kernel, probe } = await startProbe({ propagate: false });
  await kernel.subscribe('a.x', () => kernel.publish('b.x', 1));
  await probe.settled(probe.deliver('a.x', 1));
  expect(headerOf(probe.published[0])).not.toHaveProperty('causationId');
});

test('a kernel that has stopped leaves no storage in use, which every promise of the process would pay for', async () => {
  const disable = vi.spyOn(AsyncLocalStorage.prototype, 'disable');
  const { kernel, probe } = await startProbe();
  await kernel.subscribe('a.*', () => kernel.publish('b.x', 1));
  await probe.settled(probe.deliver('a.x', 1));
  await kernel.stop();
  expect(disable).toHaveBeenCalledOnce();
  await kernel.start();
  await probe.settled(probe.deliver('a.x', 1, { cursor: '7', by: 1 }));
  expect(probe.published.map((event) => headerOf(event)?.causationId).at(-1)).toBe('id-7');
  await kernel.stop();
  disable.mockRestore();
});
