import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { memory } from '../src/index.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
});

const { store } = memory().capabilities;

test('the time of a counter counts from its first addition', async () => {
  await store.increment('hits', 1, { ttlMs: 100 });
  vi.setSystemTime(99);
  expect(await store.increment('hits', 1, { ttlMs: 100 })).toBe(2);
  vi.setSystemTime(100);
  expect(await store.increment('hits')).toBe(1);
  vi.setSystemTime(10_000);
  expect(await store.increment('hits')).toBe(2);
});

test('what holds no whole number is no counter', async () => {
  await store.set('name', 'Ada');
  await expect(store.increment('name')).rejects.toMatchObject({ code: 'EVENTS_MEMORY_NO_COUNTER' });
  await expect(store.increment('other', 0.5)).rejects.toMatchObject({ code: 'EVENTS_MEMORY_NO_COUNTER' });
  expect(await store.get('name')).toBe('Ada');
});

test('compare-and-set takes what has expired for absent, and forgets its time', async () => {
  await store.set('key', 'old', { ttlMs: 10 });
  vi.setSystemTime(10);
  expect(await store.compareAndSet('key', 'old', 'new')).toBe(false);
  expect(await store.compareAndSet('key', undefined, 'new')).toBe(true);
  vi.setSystemTime(1000);
  expect(await store.get('key')).toBe('new');
});

test('a lease that expired cannot be renewed, also while nobody else has it', async () => {
  const lease = await store.lease('leader', 50);
  vi.setSystemTime(49);
  expect(await lease?.renew()).toBe(true);
  vi.setSystemTime(99);
  expect(await lease?.renew()).toBe(false);
  const next = await store.lease('leader', 50);
  expect(next?.token).toBeGreaterThan(lease?.token ?? Number.POSITIVE_INFINITY);
});

test('many keys that expire leave the others as they are', async () => {
  await store.set('kept', 'value');
  for (let n = 0; n < 5000; n++) {
    await store.set(`short ${n}`, 'x', { ttlMs: 1 });
    vi.setSystemTime(n);
  }
  expect(await store.get('kept')).toBe('value');
  expect(await store.get('short 0')).toBeUndefined();
});
