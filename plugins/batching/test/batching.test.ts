import { expect, onTestFinished, test, vi } from 'vitest';
import { type BatchingOptions, batching } from '../src/index.ts';
import { begin, LONG } from './scene.ts';

test('a batch goes when it is full', async () => {
  const { end, publish } = await begin({ maxSize: 2, maxWaitMs: LONG });
  publish(1);
  expect(end.batches).toEqual([]);
  publish(2);
  publish(3);
  expect(end.bodies).toEqual([[1, 2]]);
});

test('a batch that is not full goes when it has waited', async () => {
  const { end, publish } = await begin({ maxWaitMs: 1 });
  await Promise.all([publish(1), publish(2)]);
  await publish(3);
  expect(end.bodies).toEqual([[1, 2], [3]]);
});

test('one timer runs while something waits, and none when nothing does', async () => {
  const { kernel, publish } = await begin({ maxWaitMs: LONG, groupBy: 'exact' });
  const timers = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => timers.mockRestore());
  for (let n = 0; n < 100; n++) publish(n, { type: `user.t${n}` });
  expect(timers).toHaveBeenCalledTimes(1);
  await kernel.batching.flush();
  expect(timers).toHaveBeenCalledTimes(1);
});

test('a batch of publishBatch keeps its order and is cut by size', async () => {
  const { kernel, end } = await begin({ maxSize: 2, maxWaitMs: 1 });
  await kernel.publishBatch([1, 2, 3, 4, 5].map((body) => ({ type: 'a.b', body })));
  expect(end.bodies).toEqual([[1, 2], [3, 4], [5]]);
});

test('a batch holds no more payload than maxBytes; a larger event goes alone', async () => {
  const { kernel, end, publish } = await begin({ maxBytes: 1000, maxWaitMs: LONG });
  for (const length of [300, 300, 300, 5000, 10]) publish('é'.repeat(length / 2));
  await kernel.batching.flush();
  const sizes = end.batches.map((batch) => batch.map(({ payload }) => Buffer.byteLength(payload)));
  expect(sizes.map(({ length }) => length)).toEqual([2, 1, 1, 1]);
  for (const batch of sizes) expect(batch.length === 1 || batch.reduce((a, b) => a + b) <= 1000).toBe(true);
});

test('by time nothing goes before the time is over, and then in batches of maxSize', async () => {
  const { kernel, end, publish } = await begin({ strategy: 'time', maxSize: 2, maxWaitMs: LONG });
  for (let n = 0; n < 5; n++) publish(n);
  expect(end.batches).toEqual([]);
  await kernel.batching.flush();
  expect(end.bodies).toEqual([[0, 1], [2, 3], [4]]);
  const soon = await begin({ strategy: 'time', maxSize: 1, maxWaitMs: 1 });
  const published = [soon.publish(1), soon.publish(2)];
  expect(soon.end.batches).toEqual([]);
  await Promise.all(published);
  expect(soon.end.bodies).toEqual([[1], [2]]);
});

test('by partition a batch holds events of one partition of one topic', async () => {
  const { kernel, end, publish } = await begin({ strategy: 'partition', maxSize: 2, maxWaitMs: LONG });
  publish('a0', { partition: 0 });
  publish('a1', { partition: 1 });
  publish('b0', { partition: 0, type: 'order.placed' });
  expect(end.batches).toEqual([]);
  publish('c1', { partition: 1 });
  expect(end.bodies).toEqual([['a1', 'c1']]);
  await kernel.batching.flush();
  expect(end.bodies).toEqual([['a1', 'c1'], ['a0'], ['b0']]);
});

test.each([
  ['exact', [['user.created', 'user.created'], ['user.deleted'], ['order.created']]],
  [0, [['user.created', 'user.deleted', 'user.created'], ['order.created']]],
  ['1', [['user.created', 'order.created', 'user.created'], ['user.deleted']]],
  [7, [['user.created', 'user.created'], ['user.deleted'], ['order.created']]],
] as const)('groups by %s, by either name of the option', async (grouping, expected) => {
  for (const given of [{ groupBy: grouping }, { batchingTypeStrategy: grouping }]) await groups(given, expected);
});

const groups = async (given: BatchingOptions, expected: readonly (readonly string[])[]): Promise<void> => {
  const { kernel, end, publish } = await begin({ ...given, maxWaitMs: LONG });
  for (const type of ['user.created', 'user.deleted', 'order.created', 'user.created']) publish(1, { type });
  await kernel.batching.flush();
  expect(end.batches.map((batch) => batch.map(({ type }) => type))).toEqual(expected);
};

test('a batch holds events of one transport', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: LONG });
  for (const transport of ['one', 'two', 'one']) publish(transport, { transport });
  await kernel.batching.flush();
  expect(end.bodies).toEqual([['one', 'one'], ['two']]);
});

test('disabled it is not there', async () => {
  const { kernel, end, publish } = await begin({ enabled: false, maxWaitMs: LONG });
  await publish(1);
  await kernel.batching.flush();
  expect(end.bodies).toEqual([[1]]);
  expect([kernel.batching.failed(), kernel.batching.memoryStats().queued]).toEqual([[], 0]);
});

test.each([
  { maxSize: 0 },
  { maxBytes: 1.5 },
  { maxWaitMs: -1 },
  { maxWaitMs: 2 ** 31 },
  { strategy: 'colour' },
  { groupBy: 'first' },
  { groupBy: 'exact', batchingTypeStrategy: '0' },
  { batchingTypeStrategy: 'first' },
  { groupBy: -1 },
  { maxConcurrentBatches: 0 },
  { maxQueued: Number.NaN },
  { onFull: 'throw' },
  { maxWaitForRoomMs: 'soon' },
  { maxFailedKept: -1 },
  { enabled: 'yes' },
])('refuses %o', (options) => {
  expect(() => batching(options as unknown as BatchingOptions)).toThrow(
    expect.objectContaining({ code: 'EVENTS_CONFIG', message: expect.stringContaining(Object.keys(options)[0] ?? '') }),
  );
});

test.each([null, 7, 'fast'])('refuses %j for options', (options) => {
  expect(() => batching(options as unknown as BatchingOptions)).toThrow(
    expect.objectContaining({ code: 'EVENTS_CONFIG' }),
  );
});
