import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BYTES, fieldOf, isSuspect, NOTES, notesOf, payloadOf, TEXT, textOf } from '../src/entry.ts';

describe('a payload', () => {
  test('comes out of its entry as it went in, whatever stands beside it', () => {
    const others = fc.array(fc.tuple(fc.string(), fc.string()).filter(([field]) => field !== TEXT && field !== BYTES));
    const payload = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array());
    fc.assert(
      fc.property(payload, others, others, (original, before, after) => {
        const fields = [...before.flat(), fieldOf(original), textOf(original), ...after.flat()];
        const read = payloadOf(fields);
        expect(typeof read).toBe(typeof original);
        expect(Buffer.from(read as string).equals(Buffer.from(original as string))).toBe(true);
      }),
    );
  });

  test('is a part of a larger buffer, and nothing but that part is stored', () => {
    const whole = Buffer.from('secret|part|secret');
    expect(Buffer.from(textOf(whole.subarray(7, 11)), 'base64').toString()).toBe('part');
  });

  test('of an entry that is not ours is the JSON list of its fields', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('x', 'E', ' e', ''), fc.string())), (pairs) => {
        expect(payloadOf(pairs.flat())).toBe(JSON.stringify(pairs.flat()));
      }),
    );
    expect(payloadOf(null)).toBe('[]');
  });

  test('in a field for bytes is only taken when nothing of it is lost', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9+/]{2,3}={0,2}$/)), (text) => {
        const payload = payloadOf([BYTES, text]);
        if (typeof payload === 'string') expect(payload).toBe(JSON.stringify([BYTES, text]));
        else expect(Buffer.from(payload).toString('base64')).toBe(text);
      }),
    );
  });

  test('is suspect when it may have been no UTF-8', () => {
    expect([isSuspect('a \uFFFD'), isSuspect('a'), isSuspect(Buffer.from('\uFFFD'))]).toEqual([true, false, false]);
  });
});

describe('notes', () => {
  test('are no part of the payload, also of an entry that is not ours', () => {
    expect(payloadOf(['x', 'y', NOTES, 'z', NOTES, '', 'reason', 'x'])).toBe(JSON.stringify(['x', 'y', NOTES, 'z']));
    expect({ ...notesOf(['x', 'y', NOTES, 'z', NOTES, '', 'reason', 'x']) }).toEqual({ reason: 'x' });
    expect(payloadOf([NOTES, 'a stranger'])).toBe(JSON.stringify([NOTES, 'a stranger']));
  });

  test('are the fields behind the boundary; names that objects inherit are names like others', () => {
    expect(notesOf([TEXT, '{}'])).toBeUndefined();
    expect(notesOf([TEXT, '{}', 'foreign', 'x'])).toBeUndefined();
    expect(notesOf(null)).toBeUndefined();
    expect({ ...notesOf([TEXT, '{}', NOTES, '', 'reason', 'x', '__proto__', 'y']) }).toEqual(
      Object.fromEntries([
        ['reason', 'x'],
        ['__proto__', 'y'],
      ]),
    );
  });
});
