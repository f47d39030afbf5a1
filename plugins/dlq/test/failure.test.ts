import { EventsError } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { builtInClass } from '../src/classification.ts';
import { failureOf, isUndecided, rootOf } from '../src/failure.ts';

test("the handler's own error is told, whatever the retry plugin put around it", () => {
  const own = new Error('own');
  const inner = new EventsError('EVENTS_RETRY_NOT_RETRYABLE', 'x', { cause: own });
  expect(rootOf(new EventsError('EVENTS_RETRY_EXHAUSTED', 'x', { cause: inner }))).toBe(own);
  const undecodable = new EventsError('EVENTS_UNDECODABLE', 'x', { cause: own });
  expect(rootOf(undecodable)).toBe(undecodable);
  expect(rootOf(new EventsError('EVENTS_RETRY_EXHAUSTED', 'x'))).toMatchObject({ code: 'EVENTS_RETRY_EXHAUSTED' });
});

test('what the retry plugin has planned, and what was ended from outside, is not decided', () => {
  expect(isUndecided(new EventsError('EVENTS_RETRY_SCHEDULED', 'x'))).toBe(true);
  expect(isUndecided(new EventsError('EVENTS_ABORTED', 'x'))).toBe(true);
  expect(isUndecided(new EventsError('EVENTS_RETRY_EXHAUSTED', 'x'))).toBe(false);
  expect(isUndecided(new Error('x'))).toBe(false);
});

test('texts are at most 1 kB of whole characters, and no URL keeps its password', () => {
  const { message } = failureOf(new Error(`redis://me:s3cr@et@host:6379 and amqp://u:p@h ${'ü'.repeat(3000)}`));
  expect(message).toContain('redis://***@host:6379 and amqp://***@h');
  expect(message).not.toMatch(/s3cr|et@|u:p|\ufffd/);
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1024);
});

test.each([
  ['redis://user:pa/ss@host:6379 refused', 'redis://***@host:6379 refused'],
  ['postgres://u:p#w/x@db/1', 'postgres://***@db/1'],
  ['a://u:hunter 2@h', 'a://***@h'],
  ['redis://:a b@h and amqp://u:c d/e@i', 'redis://***@h and amqp://***@i'],
  ['redis://h:6379 and amqp://u:p@h', 'redis://h:6379 and amqp://***@h'],
  ['http://host:80/path is gone', 'http://host:80/path is gone'],
  [`x redis://u:${'T'.repeat(4200)}@host`, 'x redis://***'],
])('%s keeps no credentials, nor as code or name', (text, kept) => {
  expect(failureOf(Object.assign(new Error(text), { code: text, name: text }))).toMatchObject({
    message: kept,
    code: kept,
    name: kept,
  });
});

test('a code that is neither text nor number is none: it may throw when it is made a text', () => {
  const hostile = (): string => {
    throw new Error('hostile');
  };
  for (const code of [Object.create(null), { toString: hostile }, [Object.create(null)], Symbol('s'), null, ''])
    expect(failureOf(Object.assign(new Error('no'), { code, name: code }))).toMatchObject({
      code: undefined,
      name: 'object',
    });
  expect(failureOf(Object.assign(new Error('no'), { code: 404 })).code).toBe('404');
});

test('the fingerprint is the same for one cause and differs for another', () => {
  const fail = (message: string, code?: string): string => {
    const make = (): Error => Object.assign(new Error(message), { code });
    return failureOf(make()).fingerprint;
  };
  const one = fail('order 17 "abc" of 0191f2aa-1111-7222-8333-444455556666 is gone', 'E1');
  expect(one).toBe(fail("order 4 'x' of 0191f2aa-ffff-7222-8333-444455556661 is gone", 'E1'));
  expect(one).not.toBe(fail('order 17 "abc" of 0191f2aa-1111-7222-8333-444455556666 is gone', 'E2'));
  expect(one).not.toBe(fail('order 17 is gone', 'E1'));
  const elsewhere = (): Error => new Error('order 1');
  const here = (): Error => new Error('order 1');
  expect(failureOf(elsewhere()).fingerprint).not.toBe(failureOf(here()).fingerprint);
});

test('what is no error is told all the same', () => {
  const hostile = {
    get message(): string {
      throw new Error('no');
    },
  };
  for (const thrown of [undefined, null, 'text', 7, hostile, Symbol('s')])
    expect(failureOf(thrown).fingerprint).toMatch(/^[\da-f]{16}$/);
  expect(failureOf('text')).toMatchObject({ name: 'string', message: 'text', code: undefined });
});

test.each([
  ['EVENTS_UNDECODABLE', 'validation'],
  ['EVENTS_SCHEMA_INVALID', 'validation'],
  ['EVENTS_TIMEOUT', 'timeout'],
  ['ETIMEDOUT', 'timeout'],
  ['ECONNREFUSED', 'processing'],
])('%s is of the class %s', (code, expected) => {
  expect(builtInClass(failureOf(Object.assign(new Error('x'), { code })))).toBe(expected);
});
