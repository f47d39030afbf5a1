import { expect, test } from 'vitest';
import { begin, codeOf, DONE, LONG } from './scene.ts';

test('later batches wait while so many are under way, and nothing throws', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 2, maxWaitMs: LONG });
  end.path = end.hold;
  const published = [1, 2, 3, 4].map((body) => publish(body));
  expect(end.bodies).toEqual([[1], [2]]);
  expect(kernel.batching.memoryStats()).toMatchObject({ batches: 2, inFlight: 2, queued: 2 });
  end.release();
  await published[0];
  expect(end.bodies).toEqual([[1], [2], [3]]);
  for (let n = 0; n < 3; n++) end.release();
  await Promise.all(published);
  expect(end.bodies).toEqual([[1], [2], [3], [4]]);
});

test('a full queue rejects where it is told to, and says when to try again', async () => {
  const { end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1, maxQueued: 2, onFull: 'reject' });
  end.path = end.hold;
  const published = [1, 2, 3, 4].map((body) => publish(body));
  await expect(published[3]).rejects.toMatchObject({ code: 'EVENTS_BATCHING_FULL', retryAfterMs: 100 });
  for (let n = 0; n < 3; n++) end.release();
  await Promise.all(published.slice(0, 3));
});

test('at a full queue publishers wait in turn, as many again at the most', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1, maxQueued: 2 });
  end.path = end.hold;
  const published = [1, 2, 3, 4, 5, 6].map((body) => publish(body));
  expect(kernel.batching.memoryStats()).toMatchObject({ inFlight: 1, queued: 2, waiting: 2 });
  expect(await codeOf(published[5] as Promise<unknown>)).toBe('EVENTS_BATCHING_FULL');
  for (let n = 0; n < 5; n++) end.release();
  await Promise.all(published.slice(0, 5));
  expect(end.bodies).toEqual([[1], [2], [3], [4], [5]]);
});

test('who waits for room longer than maxWaitForRoomMs is rejected, and not sent', async () => {
  const { end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1, maxQueued: 1, maxWaitForRoomMs: 5 });
  end.path = end.hold;
  const published = [1, 2, 3].map((body) => publish(body));
  expect(await codeOf(published[2] as Promise<unknown>)).toBe('EVENTS_BATCHING_FULL');
  end.release();
  end.release();
  await Promise.all(published.slice(0, 2));
  expect(end.bodies).toEqual([[1], [2]]);
});

test('a full queue does not wait for company', async () => {
  const { end, publish } = await begin({ maxWaitMs: LONG, maxQueued: 2 });
  for (const body of [1, 2, 3]) publish(body);
  expect(end.bodies).toEqual([[1, 2]]);
});

test('what is published from below, or from a settlement, waits behind those who wait already', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1, maxQueued: 1, maxWaitMs: 1 });
  end.path = end.hold;
  const published = [1, 2, 3].map((body) => publish(body));
  expect(kernel.batching.memoryStats()).toMatchObject({ inFlight: 1, queued: 1, waiting: 1 });
  end.path = (batch, settle) => {
    end.path = DONE;
    published.push(publish('from below'));
    DONE(batch, settle);
  };
  end.release();
  await Promise.all(published.slice(0, 3));
  await Promise.all(published);
  expect(end.bodies).toEqual([[1], [2], [3], ['from below']]);
});

test('any number of batches that are settled at once go one after the other, not one inside the other', async () => {
  const { end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1 });
  end.path = end.hold;
  const published = Array.from({ length: 20_000 }, (_, n) => publish(n));
  end.path = DONE;
  end.release();
  await Promise.all(published);
  expect(end.batches).toHaveLength(20_000);
});
