import { expect, test } from 'vitest';
import { measure } from '../src/index.ts';
import { poor } from './transports/poor.ts';

test('measure takes the time of every part', async () => {
  const measured = await measure(poor, { events: 200, batch: 30, concurrency: 7, latencyEvents: 20 });
  const { publishOneByOne, publishConcurrently, publishInBatches, deliver, latency } = measured;
  for (const rate of [publishOneByOne, publishConcurrently, publishInBatches, deliver])
    expect(rate).toEqual({ events: 200, ms: expect.any(Number), perSecond: expect.any(Number) });
  expect(latency).toMatchObject({ events: 20 });
  expect(latency?.p50).toBeLessThanOrEqual(latency?.p99 ?? 0);
  expect(latency?.p99).toBeLessThanOrEqual(latency?.max ?? 0);
});

test('measure takes a transport that only publishes', async () => {
  const { subscribe, ...publishing } = poor();
  expect(subscribe).toBeDefined();
  const measured = await measure(() => publishing, { events: 10, latencyEvents: 5 });
  expect(Object.keys(measured)).toEqual(['transport', 'publishOneByOne', 'publishConcurrently', 'publishInBatches']);
});
