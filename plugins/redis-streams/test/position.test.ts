import { type RedisService, redis } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAfter } from '../src/position.ts';

let server: RedisService;
beforeAll(async () => {
  server = await redis({ exclusive: true });
});
afterAll(() => server.stop());

test('names, dates and cursors are the ids after which Redis begins', () => {
  expect(startAfter('latest')).toBe('$');
  expect(startAfter('earliest')).toBe('0-0');
  expect(startAfter('1700000000000-5')).toBe('1700000000000-5');
  expect(startAfter(new Date(0))).toBe('0-0');
  expect(startAfter(new Date(-1))).toBe('0-0');
});

test('a date begins with the first entry of its millisecond', async () => {
  for (const id of ['999-7', '1000-0', '1000-1', '1001-0']) await server.cli('XADD', 'dates', id, 'n', id);
  const after = (date: number): Promise<unknown> =>
    server
      .cli('XRANGE', 'dates', `(${startAfter(new Date(date))}`, '+')
      .then((entries) => (entries as [string][]).map(([id]) => id));
  expect(await after(999)).toEqual(['999-7', '1000-0', '1000-1', '1001-0']);
  expect(await after(1000)).toEqual(['1000-0', '1000-1', '1001-0']);
  expect(await after(1001)).toEqual(['1001-0']);
  expect(await after(1002)).toEqual([]);
});

test.each([
  new Date(Number.NaN),
  '',
  'newest',
  '-',
  '+',
  '>',
  '1-',
  '-1',
  '1.5-0',
  '1-0 STREAMS other',
  '(1-0',
  '9'.repeat(400),
  7 as unknown as string,
])('what is no position is refused: %s', (from) => {
  let thrown: unknown;
  try {
    startAfter(from);
  } catch (error) {
    thrown = error;
  }
  expect(isEventsError(thrown) && thrown.code).toBe('EVENTS_CONFIG');
  expect((thrown as Error).message.length).toBeLessThan(300);
});

test('whatever text is taken is an id for Redis, nothing else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\d-]{1,12}$/)), (text) => {
      let id: string | undefined;
      try {
        id = startAfter(text);
      } catch {
        return;
      }
      if (text !== 'latest' && text !== 'earliest') expect(id).toMatch(/^\d+(-\d+)?$/);
    }),
  );
});
