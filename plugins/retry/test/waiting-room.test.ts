import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WaitingRoom } from '../src/waiting-room.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

test('releases nothing early, and together what is due together', () => {
  const released: (readonly string[])[] = [];
  const room = new WaitingRoom<string>((entries) => released.push(entries));
  room.add('a', 45);
  room.add('b', 42);
  room.add('c', 120);
  vi.advanceTimersByTime(44);
  expect(released).toEqual([]);
  vi.advanceTimersByTime(6);
  expect(released).toEqual([['a', 'b']]);
  vi.advanceTimersByTime(70);
  expect(released).toEqual([['a', 'b'], ['c']]);
});

test('flush releases all at once, the first due first, and leaves no timer', () => {
  const released: (readonly string[])[] = [];
  const room = new WaitingRoom<string>((entries) => released.push(entries));
  room.flush();
  room.add('late', 600_000);
  room.add('soon', 10);
  room.flush();
  expect(released).toEqual([['soon', 'late']]);
  expect(vi.getTimerCount()).toBe(0);
});

test('what is due in months does not come at once', () => {
  const released: (readonly string[])[] = [];
  const room = new WaitingRoom<string>((entries) => released.push(entries));
  room.add('a', 2 ** 31);
  vi.advanceTimersByTime(2 ** 31 - 1);
  expect(released).toEqual([]);
  vi.advanceTimersByTime(20);
  expect(released).toEqual([['a']]);
});
