import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createEnvelope, type HeaderFields } from '../src/index.ts';
import { startProbe } from './probe.ts';

const fields: HeaderFields = { id: 'i', type: 't', origin: 'o', timestamp: '2025-01-01T00:00:00.000Z' };
const hashOf = (body: unknown): string => createEnvelope(fields, body).header.hash;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('header.hash', () => {
  test('is the SHA-256 of the body as JSON with sorted keys', () => {
    expect(hashOf({ b: [{ d: 1, c: 'ä' }], a: null })).toBe(sha256('{"a":null,"b":[{"c":"ä","d":1}]}'));
    expect(hashOf('text')).toBe(sha256('"text"'));
    expect(hashOf(undefined)).toBe(sha256(''));
  });

  test('does not depend on the order of keys, and on all else', () => {
    expect(hashOf({ a: 1, 'a,b': 2, 'a!': 3 })).toBe(hashOf({ 'a!': 3, 'a,b': 2, a: 1 }));
    const bodies = [
      { a: 1 },
      { a: '1' },
      { a: [1] },
      { b: 1 },
      {},
      [],
      null,
      undefined,
      { a: undefined, b: 0 },
      { a: { b: 0 } },
    ];
    expect(new Set(bodies.map(hashOf)).size).toBe(bodies.length);
  });

  test('is of what travels: a date is its text, an undefined member is none', () => {
    const date = new Date(0);
    expect(hashOf({ date, none: undefined })).toBe(hashOf({ date: date.toISOString() }));
  });

  test('does not travel', () => {
    expect(JSON.parse(JSON.stringify(createEnvelope(fields, 1)))).toEqual({ header: fields, body: 1 });
  });
});

test('a header has the properties that it has, and no empty ones', () => {
  const { header } = createEnvelope({ ...fields, key: 'k', headers: null, originPrefix: undefined }, 1);
  expect(Object.keys(header)).toEqual(['id', 'type', 'origin', 'timestamp', 'key']);
});

test('a published event prints as its envelope, without the machinery', async () => {
  const { kernel } = await startProbe();
  const event = await kernel.publish('user.created', { name: 'Ada' }, { key: 'k' });
  const text = inspect(event, { depth: 5 });
  expect(text).toContain('user.created');
  expect(text).toContain('Ada');
  expect(text).not.toMatch(/_source|codec|undefined/);
  expect(Object.keys(JSON.parse(JSON.stringify(event)))).toEqual(['header', 'body']);
});
