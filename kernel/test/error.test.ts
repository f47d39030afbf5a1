import { expect, test } from 'vitest';
import { EventsError, isEventsError, PublishError } from '../src/index.ts';

test('an EventsError is known by its brand, of whatever copy of the kernel', () => {
  const foreign = Object.assign(new Error('x'), { code: 'EVENTS_X', [Symbol.for('@logistically/events/error')]: true });
  expect([new EventsError('EVENTS_X', 'x'), new PublishError([], 0), foreign].map(isEventsError)).toEqual([
    true,
    true,
    true,
  ]);
  expect([new Error('x'), { code: 'EVENTS_X' }, null, undefined, 'EVENTS_X'].map(isEventsError)).toEqual(
    Array(5).fill(false),
  );
});

test('it says what a retry needs to know', () => {
  const cause = new Error('y');
  expect(new EventsError('EVENTS_X', 'x', { cause, retryAfterMs: 5, permanent: true })).toMatchObject({
    name: 'EventsError',
    message: 'x',
    code: 'EVENTS_X',
    cause,
    retryAfterMs: 5,
    permanent: true,
  });
  expect(new EventsError('EVENTS_X', 'x')).toMatchObject({ retryAfterMs: undefined, permanent: false });
});
