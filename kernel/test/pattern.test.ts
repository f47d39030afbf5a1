import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { checkPattern, checkType, matches, Patterns } from '../src/index.ts';

describe('* stands for one or more whole segments', () => {
  test.each([
    ['user.*', 'user.created', true],
    ['user.*', 'user.profile.updated', true],
    ['user.*', 'user', false],
    ['user.*', 'users.created', false],
    ['*.created', 'user.created', true],
    ['*.created', 'shop.order.created', true],
    ['*.created', 'created', false],
    ['*.created', 'user.created.again', false],
    ['*', 'created', true],
    ['*', 'shop.order.created', true],
    ['*.*', 'created', false],
    ['*.*', 'user.created', true],
    ['*.*', 'a.b.c', true],
    ['a.*.c', 'a.c', false],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.c.c', true],
    ['a.*.c', 'a.c.b.c', true],
    ['a.*.b.*', 'a.x.b.b.y', true],
    ['user.created', 'user.created', true],
    ['user.created', 'User.created', false],
    ['__proto__', '__proto__', true],
    ['*', 'constructor', true],
  ])('%s and %s: %s', (pattern, type, expected) => {
    expect(matches(pattern, type)).toBe(expected);
  });

  test('as a simple and slow definition says', () => {
    const takes = ([head, ...rest]: string[], [first, ...others]: string[]): boolean => {
      if (head === undefined) return first === undefined;
      if (first === undefined) return false;
      return head === '*'
        ? takes(rest, others) || takes([head, ...rest], others)
        : head === first && takes(rest, others);
    };
    const segments = (alphabet: string[]) => fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(segments(['a', 'b', '*']), segments(['a', 'b']), (pattern, type) => {
        expect(matches(pattern.join('.'), type.join('.'))).toBe(takes(pattern, type));
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  '',
  '.',
  'a.',
  '.a',
  'a..b',
  'user*',
  '*user',
  'us*er.x',
  'a.**',
  'ä',
  'a b',
  'a:b',
  'a/b',
  'a\n',
  'x'.repeat(256),
  'a.a.a.a.a.a.a.a.a',
])('%j is neither a type nor a pattern', (name) => {
  for (const check of [checkType, checkPattern])
    expect(() => check(name)).toThrow(expect.objectContaining({ code: 'EVENTS_INVALID_NAME' }));
  expect(() => new Patterns().add(name, 1)).toThrow(expect.objectContaining({ code: 'EVENTS_INVALID_NAME' }));
  expect(matches('*', name)).toBe(false);
});

test('what is no text is no name, and the error shows little of it', () => {
  for (const name of [undefined, null, 1, {}, Symbol('x')]) expect(() => checkType(name as string)).toThrow();
  const secret = `${'x'.repeat(100)}secret`;
  expect(() => checkType(secret.repeat(3))).toThrow(/^"x{64}" /);
});

test('* is no event type', () => {
  expect(() => checkType('user.*')).toThrow(expect.objectContaining({ code: 'EVENTS_INVALID_NAME' }));
  expect(matches('*', '*')).toBe(false);
});

describe('Patterns', () => {
  test('gives values in the order of add, whatever took them', () => {
    const patterns = new Patterns<string>();
    for (const pattern of ['a.b', '*', 'a.*', '*.b', '*.*', 'a.b']) patterns.add(pattern, pattern);
    expect(patterns.match('a.b')).toEqual(['a.b', '*', 'a.*', '*.b', '*.*', 'a.b']);
    expect(patterns.match('b')).toEqual(['*']);
  });

  test('holds one value under many patterns, and takes each out for itself', () => {
    const patterns = new Patterns<number>();
    const remove = patterns.add('a.*', 1);
    patterns.add('*.b', 1);
    patterns.add('a.*', 1);
    expect(patterns.match('a.b')).toEqual([1, 1, 1]);
    remove();
    remove();
    expect(patterns.match('a.b')).toEqual([1, 1]);
    expect(patterns.match('a.c')).toEqual([1]);
  });

  test('remembers no more types than is safe', () => {
    const patterns = new Patterns<number>();
    patterns.add('*', 1);
    for (let n = 0; n < 10_000; n++) expect(patterns.match(`type-${n}`)).toEqual([1]);
    patterns.add('type-1', 2);
    expect(patterns.match('type-1')).toEqual([1, 2]);
  });
});

describe('hostile patterns', () => {
  afterEach(() => void vi.restoreAllMocks());

  /** Every pattern that takes a type. */
  const generalise = (type: readonly string[]): string[] => {
    const found = new Set<string>();
    const extend = (at: number, pattern: string[]): void => {
      if (at === type.length) found.add(pattern.join('.'));
      else extend(at + 1, [...pattern, type[at] as string]);
      for (let end = at + 1; end <= type.length; end++)
        for (let stars = 1; stars <= end - at; stars++) {
          const next = [...pattern, ...Array<string>(stars).fill('*')];
          if (end === type.length) found.add(next.join('.'));
          else extend(end + 1, [...next, type[end] as string]);
        }
    };
    extend(0, []);
    return [...found];
  };

  test.each([
    ['eight different segments', 'a.b.c.d.e.f.g.h'],
    ['eight times the same', 'a.a.a.a.a.a.a.a'],
    ['two in turn', 'a.b.a.b.a.b.a.b'],
  ])('10 000 of them and %s: no more than 20 000 steps', (_, type) => {
    const patterns = new Patterns<string>();
    const hostile = generalise(type.split('.'));
    for (const pattern of hostile) patterns.add(pattern, pattern);
    for (let n = hostile.length; n < 10_000; n++) patterns.add(`a.*.x${n}.*.*.b`, 'other');
    const steps = vi.spyOn(Map.prototype, 'get');
    const found = patterns.match(type);
    const count = steps.mock.calls.length;
    vi.restoreAllMocks();
    expect(new Set(found)).toEqual(new Set(hostile));
    expect(count).toBeLessThan(20_000);
  });

  test('a type that is none costs no step', () => {
    const patterns = new Patterns<number>();
    for (const pattern of generalise('aaaaaaaa'.split(''))) patterns.add(pattern, 1);
    const steps = vi.spyOn(Map.prototype, 'get');
    expect(patterns.match('a.'.repeat(100_000))).toEqual([]);
    expect(steps.mock.calls.length).toBeLessThan(3);
  });
});
