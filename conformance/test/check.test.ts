import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CheckReport, check, type Expectations } from '../src/check.ts';
import { createHistory, type Fact } from '../src/history.ts';

const publish = (id: string, key?: string, confirmed?: boolean): Fact => ({
  fact: 'publish',
  id,
  ...(key !== undefined && { key }),
  ...(confirmed !== undefined && { confirmed }),
});
const deliver = (id: string, consumer = 'c', group = 'g'): Fact => ({ fact: 'deliver', id, group, consumer });
const done = (id: string, consumer = 'c', group = 'g'): Fact => ({ fact: 'settle', id, group, consumer });
const fail = (id: string, consumer = 'c', group = 'g'): Fact => ({ fact: 'fail', id, group, consumer });
const end = (consumer: string): Fact => ({ fact: 'end', consumer });
const dead = (id: string, group = 'g'): Fact => ({ fact: 'dead-letter', id, group });

const KINDS = ['lost', 'duplicated', 'reordered', 'afterSettled', 'concurrent', 'phantom'] as const;

/** The ids that were found, by kind; kinds without findings are left out. */
const found = (facts: readonly Fact[], expectations?: Expectations): Partial<Record<keyof CheckReport, string[]>> => {
  const report = check(createHistory(facts), expectations);
  return Object.fromEntries(
    KINDS.filter((kind) => report[kind].count > 0).map((kind) => [kind, report[kind].examples.map(({ id }) => id)]),
  );
};

const groups = ['g'];

describe('check', () => {
  const table: readonly [string, readonly Fact[], Expectations | undefined, ReturnType<typeof found>][] = [
    ['finds nothing in an empty history', [], undefined, {}],
    ['finds nothing in a good history', [publish('a'), deliver('a'), done('a')], { groups }, {}],
    ['accepts a delivery before the confirmation', [deliver('a'), publish('a'), done('a')], { groups }, {}],
    ['accepts a retry', [publish('a'), deliver('a'), fail('a'), deliver('a'), done('a')], { groups }, {}],
    ['accepts a dead letter for done', [publish('a'), deliver('a'), fail('a'), dead('a')], { groups }, {}],
    [
      'finds what was never delivered',
      [publish('a'), publish('b'), deliver('b'), done('b')],
      { groups },
      { lost: ['a'] },
    ],
    ['finds what was never settled', [publish('a'), deliver('a')], { groups }, { lost: ['a'] }],
    ['finds what failed and did not come back', [publish('a'), deliver('a'), fail('a')], { groups }, { lost: ['a'] }],
    [
      'finds what a group lacks that got nothing at all',
      [publish('a'), deliver('a'), done('a')],
      { groups: ['g', 'h'] },
      { lost: ['a'] },
    ],
    ['expects of unconfirmed events nothing', [publish('a', 'k', false)], { groups }, {}],
    ['lets unconfirmed events arrive', [publish('a', 'k', false), deliver('a'), done('a')], { groups }, {}],
    [
      'takes a repeated publish that was confirmed',
      [publish('a', 'k', false), publish('a', 'k')],
      { groups },
      { lost: ['a'] },
    ],
    ['finds what nobody published', [deliver('x'), done('x')], { groups }, { phantom: ['x'] }],
    [
      'finds what comes after it was settled',
      [publish('a'), deliver('a'), done('a'), deliver('a'), done('a')],
      { groups },
      { afterSettled: ['a'], duplicated: ['a'] },
    ],
    [
      'finds what comes after its dead letter',
      [publish('a'), deliver('a'), dead('a'), end('c'), deliver('a', 'd'), fail('a', 'd')],
      { groups },
      { afterSettled: ['a'] },
    ],
    [
      'finds two consumers at one event',
      [publish('a'), deliver('a'), deliver('a', 'd'), done('a', 'd'), fail('a')],
      { groups },
      { concurrent: ['a'] },
    ],
    [
      'finds one consumer twice at one event',
      [publish('a'), deliver('a'), deliver('a'), done('a')],
      { groups },
      { concurrent: ['a'] },
    ],
    [
      'lets two groups work at once',
      [publish('a'), deliver('a'), deliver('a', 'd', 'h'), done('a'), done('a', 'd', 'h')],
      undefined,
      {},
    ],
    [
      'lets another consumer take over from one that ended',
      [publish('a'), deliver('a'), end('c'), deliver('a', 'd'), done('a', 'd')],
      { groups },
      {},
    ],
    [
      'does not hear a consumer that ended',
      [publish('a'), deliver('a'), end('c'), done('a')],
      { groups },
      { lost: ['a'] },
    ],
    ['does not hear a consumer that holds nothing', [publish('a'), done('a')], { groups }, { lost: ['a'] }],
    [
      'takes no order for granted',
      [publish('a', 'k'), publish('b', 'k'), deliver('b'), done('b'), deliver('a'), done('a')],
      { groups },
      {},
    ],
    [
      'finds what begins too early',
      [publish('a', 'k'), publish('b', 'k'), deliver('b'), done('b'), deliver('a'), done('a')],
      { groups, order: 'start' },
      { reordered: ['a'] },
    ],
    [
      'compares within a key only',
      [
        publish('a', 'k'),
        publish('b', 'l'),
        publish('c'),
        deliver('c'),
        done('c'),
        deliver('b'),
        done('b'),
        deliver('a'),
        done('a'),
      ],
      { groups, order: 'start' },
      {},
    ],
    [
      'looks at first beginnings, not at retries',
      [publish('a', 'k'), publish('b', 'k'), deliver('a'), fail('a'), deliver('b'), done('b'), deliver('a'), done('a')],
      { groups, order: 'start' },
      {},
    ],
    [
      'finds what is completed too early',
      [publish('a', 'k'), publish('b', 'k'), deliver('a'), fail('a'), deliver('b'), done('b'), deliver('a'), done('a')],
      { groups, order: 'completion' },
      { reordered: ['a'] },
    ],
  ];
  for (const [name, facts, expectations, expected] of table)
    test(name, () => {
      expect(found(facts, expectations)).toEqual(expected);
      const bad = Object.keys(expected).some((kind) => kind !== 'duplicated');
      expect(check({ facts }, expectations).ok).toBe(!bad);
    });

  test('says where, and with whom', () => {
    const report = check({ facts: [publish('a'), deliver('a'), deliver('a', 'd')] }, { groups });
    expect(report.concurrent.examples).toEqual([{ id: 'a', group: 'g', at: 2, with: 'c' }]);
  });

  test('counts all, and lists as many as it is told', () => {
    const facts = Array.from({ length: 50 }, (_, index) => publish(String(index)));
    const { lost, published, done: handled } = check({ facts }, { groups, limit: 3 });
    expect({ count: lost.count, listed: lost.examples.length, published, handled }).toEqual({
      count: 50,
      listed: 3,
      published: 50,
      handled: 0,
    });
  });

  test('facts are plain JSON', () => {
    const facts = [publish('a', 'k', false), deliver('a'), done('a'), fail('a'), dead('a'), end('c')];
    expect(createHistory(JSON.parse(JSON.stringify(facts))).facts).toEqual(facts);
  });

  test('finds what was put into any good history', () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 30 });
    const property = fc.property(
      ids,
      fc.nat(),
      fc.constantFrom('lose', 'repeat', 'invent', 'swap', 'none'),
      (names, at, what) => {
        const victim = names[at % (names.length - 1)] as string;
        const order = what === 'swap' ? [...names.filter((id) => id !== victim), victim] : names;
        const handled = order.filter((id) => what !== 'lose' || id !== victim).flatMap((id) => [deliver(id), done(id)]);
        if (what === 'repeat') handled.push(deliver(victim), done(victim));
        if (what === 'invent') handled.push(deliver('invented'), done('invented'));
        const kinds = {
          lose: ['lost'],
          repeat: ['duplicated', 'afterSettled'],
          invent: ['phantom'],
          swap: ['reordered'],
          none: [],
        };
        const report = found([...names.map((id) => publish(id, 'k')), ...handled], { groups, order: 'start' });
        expect(Object.keys(report).sort()).toEqual(kinds[what].toSorted());
      },
    );
    fc.assert(property);
  });

  test('judges a million facts', () => {
    const history = createHistory();
    for (let index = 0; index < 250_000; index++) {
      const id = `event-${index}`;
      history.record(publish(id, `key-${index % 1000}`));
      history.record(deliver(id, `consumer-${index % 10}`));
      history.record(fail(id, `consumer-${index % 10}`));
      if (index % 100 !== 0) history.record(deliver(id, `consumer-${index % 7}`));
      if (index % 100 !== 0) history.record(done(id, `consumer-${index % 7}`));
    }
    const report = check(history, { groups, order: 'start' });
    expect(history.facts.length).toBeGreaterThan(1_000_000);
    expect({ lost: report.lost.count, reordered: report.reordered.count }).toEqual({ lost: 2500, reordered: 0 });
  });
});
