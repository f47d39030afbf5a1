import { expect, test } from 'vitest';
import { within } from '../src/index.ts';
import { never } from './probe.ts';

test('within tells whether the work was done by the deadline', async () => {
  expect(await within(Promise.resolve(), Date.now() + 60_000)).toBe(true);
  expect(await within(never(), Date.now() + 1)).toBe(false);
  expect(await within(never(), 0)).toBe(false);
});

test('a failure throws', async () => {
  await expect(within(Promise.reject(new Error('no')), Date.now() + 60_000)).rejects.toThrow('no');
});

test('a failure after the deadline is nobody’s unhandled rejection', async () => {
  let fail: (reason: Error) => void = () => {};
  const work = new Promise((_, reject) => {
    fail = reject;
  });
  expect(await within(work, 0)).toBe(false);
  fail(new Error('late'));
  await new Promise((resolve) => setImmediate(resolve));
});

test('a deadline beyond what a timer takes is waited for', async () => {
  const work = new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(await within(work, Number.POSITIVE_INFINITY)).toBe(true);
});
