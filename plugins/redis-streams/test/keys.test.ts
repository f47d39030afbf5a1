import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKeys } from '../src/keys.ts';

const keys = createKeys('events');

/** What a cluster hashes of a key: the text between the first brace and the next closing one, where there is any. */
const hashTag = (key: string): string => /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key;

test('every key of a topic partition has one hash tag, derived topics included', () => {
  const all = [
    keys.stream('user-events', 3),
    keys.retries('user-events', 3, 'billing'),
    keys.delayed('user-events', 3),
    keys.stream('dlq:user-events', 3),
    keys.stream('dlq:user-events:validation', 3),
    keys.retries('dlq:user-events', 3, 'billing'),
  ];
  expect(new Set(all.map(hashTag))).toEqual(new Set(['user-events:3']));
  expect(new Set(all).size).toBe(all.length);
});

test('the layout is the one of the README', () => {
  expect([
    keys.stream('user-events', 0),
    keys.stream('dlq:user-events', 0),
    keys.retries('user-events', 0, 'billing'),
    keys.delayed('user-events', 0),
    keys.topics,
    keys.store('lock a'),
    keys.tokens('lock a'),
  ]).toEqual([
    'events:{user-events:0}:user-events',
    'events:{user-events:0}:dlq:user-events',
    'events:{user-events:0}:user-events|retries|billing',
    'events:{user-events:0}:user-events|delayed',
    'events|topics',
    'events|store:{"lock a"}',
    'events|store:{"lock a"}|token',
  ]);
});

const name = fc.stringMatching(/^[\w.-]{1,20}$/);
const topic = fc.oneof(
  name,
  fc.tuple(name, name).map((parts) => parts.join(':')),
  fc.tuple(name, name, name).map((parts) => parts.join(':')),
);

test('two names never share a key', () => {
  const address = fc.record({ topic, partition: fc.nat(99), group: name });
  fc.assert(
    fc.property(address, address, (a, b) => {
      const keysOf = ({ topic, partition, group }: typeof a): string[] => [
        keys.stream(topic, partition),
        keys.retries(topic, partition, group),
        keys.delayed(topic, partition),
      ];
      const shared = keysOf(a).filter((key) => keysOf(b).includes(key));
      const sameStream = a.topic === b.topic && a.partition === b.partition;
      expect(shared).toHaveLength(sameStream ? (a.group === b.group ? 3 : 2) : 0);
    }),
  );
});

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[{}"\\u007bd]{0,8}$/));

test('a key of the store is free text, and its token is in the same slot', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(hashTag(keys.tokens(a))).toBe(hashTag(keys.store(a)));
      expect(keys.store(a) === keys.store(b)).toBe(a === b);
      expect(keys.store(a)).not.toBe(keys.tokens(b));
    }),
  );
});
