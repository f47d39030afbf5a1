import { memory } from '@logistically/events-memory';
import { afterEach, expect, test, vi } from 'vitest';
import { bury, counted, type Node, startNode, watched } from './scene.ts';

afterEach(() => {
  vi.useRealTimers();
});

test('once a minute the oldest beyond maxLength are removed, in every partition', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const kernel = await startNode({ retention: { maxLength: 2 } }, memory({ partitions: 2 }));
  await bury(kernel, [1, 2, 3, 4, 5, 6, 7, 8], 'order.placed', undefined, 2);
  const before = (await kernel.dlq.list()).letters;
  const kept = [0, 1].flatMap((number) => before.filter(({ partition }) => partition === number).slice(-2));
  expect(kept).toHaveLength(4);
  vi.advanceTimersByTime(59_999);
  expect((await kernel.dlq.stats()).depth).toBe(8);
  vi.advanceTimersByTime(1);
  await vi.waitFor(async () => expect((await kernel.dlq.list()).letters).toEqual(kept), 20_000);
});

test('what is older than maxAgeMs is removed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const kernel = await startNode({ retention: { maxAgeMs: 90_000 } });
  await bury(kernel, [1]);
  vi.advanceTimersByTime(59_000);
  await bury(kernel, [2]);
  vi.advanceTimersByTime(61_001);
  await vi.waitFor(async () =>
    expect((await kernel.dlq.list()).letters.map(({ envelope }) => envelope?.body)).toEqual([2]),
  );
});

test('stopped, it leaves no timer', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const kernel = await startNode({ retention: { maxLength: 2 } });
  expect(vi.getTimerCount()).toBe(1);
  await kernel.stop();
  expect(vi.getTimerCount()).toBe(0);
});

const bodies = async (kernel: Node): Promise<unknown[]> =>
  (await kernel.dlq.list()).letters.map(({ envelope }) => envelope?.body);

test('where the transport tells how long a partition is, nothing is counted', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const inner = memory();
  const other = await startNode({}, inner);
  await bury(other, [1, 2, 3]);
  const { transport, count } = counted(inner, 100);
  await startNode({ retention: { maxLength: 2 } }, transport);
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(async () => expect(await bodies(other)).toEqual([2, 3]), 20_000);
  expect(count.pages).toBe(1);
});

test('where it does not, they are counted', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const inner = memory({ partitions: 2 });
  const { inspect: _, ...capabilities } = inner.capabilities;
  const kernel = await startNode({ retention: { maxLength: 1 } }, { ...inner, capabilities });
  await bury(kernel, [1, 2, 3, 4, 5], 'order.placed', undefined, 2);
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(async () => expect(await bodies(kernel)).toEqual([5, 4]), 20_000);
});

test('what others remove meanwhile is not removed once more', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const inner = memory();
  const other = await startNode({}, inner);
  await bury(other, [1, 2, 3, 4, 5, 6, 7, 8]);
  let swept = 0;
  const transport = watched(inner, async () => {
    if (swept++ === 0) await other.dlq.purge({ filter: {}, limit: 3 });
  });
  await startNode({ retention: { maxLength: 5 } }, transport);
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(() => expect(swept).toBe(1), 20_000);
  vi.advanceTimersByTime(60_000);
  await vi.waitFor(() => expect(swept).toBe(2), 20_000);
  expect(await bodies(other)).toEqual([4, 5, 6, 7, 8]);
});
