import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watch } from '../src/watch.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('tells of what is late and of nothing else, with one timer for all and none in the end', () => {
  const late: string[] = [];
  watch(50, () => late.push('a'));
  const inTime = watch(50, () => late.push('b'));
  const tooLate = watch(90, () => late.push('c'));
  expect(vi.getTimerCount()).toBe(1);
  expect(inTime()).toBe(true);
  vi.advanceTimersByTime(49);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(21);
  expect(late).toEqual(['a']);
  vi.advanceTimersByTime(40);
  expect(late).toEqual(['a', 'c']);
  expect(tooLate()).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});

test('one that throws keeps nobody else from being told', () => {
  const late: string[] = [];
  watch(50, () => {
    throw new Error('no');
  });
  watch(50, () => late.push('a'));
  watch(
    500,
    () => late.push('b'),
    () => {
      throw new Error('no');
    },
  );
  expect(() => vi.advanceTimersByTime(600)).not.toThrow();
  expect(late).toEqual(['a', 'b']);
  expect(vi.getTimerCount()).toBe(0);
});
