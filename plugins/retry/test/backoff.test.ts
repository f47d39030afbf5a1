import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Backoff, backoffOf, delayOf } from '../src/backoff.ts';

const DEFAULTS: Backoff = {
  maxAttempts: 4,
  backoff: 'exponential',
  baseDelayMs: 100,
  maxDelayMs: 1000,
  jitter: 'none',
};
const delays = (backoff: Backoff['backoff']): number[] =>
  [1, 2, 3, 4, 5, 6].map((attempt) => delayOf({ ...DEFAULTS, backoff }, attempt));

test('waits double, stay or grow along Fibonacci, up to the longest', () => {
  expect(delays('exponential')).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(delays('fixed')).toEqual([100, 100, 100, 100, 100, 100]);
  expect(delays('fibonacci')).toEqual([100, 100, 200, 300, 500, 800]);
});

test('full jitter takes any part of the wait', () => {
  const jittered: Backoff = { ...DEFAULTS, jitter: 'full' };
  expect([0, 0.25, 0.5].map((part) => delayOf(jittered, 2, () => part))).toEqual([0, 50, 100]);
});

test('a wait is a whole number within its bounds, whatever the attempt', () => {
  const options = fc.record({
    maxAttempts: fc.constant(4),
    backoff: fc.constantFrom('exponential' as const, 'fixed' as const, 'fibonacci' as const),
    baseDelayMs: fc.nat({ max: 100_000 }),
    maxDelayMs: fc.nat({ max: 100_000 }),
    jitter: fc.constantFrom('full' as const, 'none' as const),
  });
  fc.assert(
    fc.property(options, fc.integer({ min: 1, max: 1_000_000 }), (backoff, attempt) => {
      const delay = delayOf(backoff, attempt);
      return Number.isInteger(delay) && delay >= 0 && delay <= backoff.maxDelayMs;
    }),
  );
});

test('maxRetries is maxAttempts without the first call', () => {
  expect(backoffOf({}, DEFAULTS).maxAttempts).toBe(4);
  expect(backoffOf({ maxRetries: 0 }, DEFAULTS).maxAttempts).toBe(1);
  expect(backoffOf({ maxAttempts: 7 }, DEFAULTS).maxAttempts).toBe(7);
  expect(backoffOf({ maxAttempts: 4, maxRetries: 3 }, DEFAULTS).maxAttempts).toBe(4);
  expect(() => backoffOf({ maxAttempts: 3, maxRetries: 3 }, DEFAULTS)).toThrow('means 4 attempts, not 3');
});

test.each([
  { maxAttempts: 0 },
  { maxAttempts: 1.5 },
  { maxRetries: -1 },
  { baseDelayMs: -1 },
  { maxDelayMs: Number.NaN },
  { backoff: 'linear' },
  { jitter: 'some' },
])('%j is refused', (options) => {
  expect(() => backoffOf(options as object, DEFAULTS)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
});
