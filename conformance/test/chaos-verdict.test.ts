import { describe, expect, test } from 'vitest';
import type { Entry, Fault } from '../chaos/ledger.ts';
import type { Order } from '../chaos/order.ts';
import { judge, type Outcome } from '../chaos/verdict.ts';
import type { Fact } from '../src/index.ts';

type Told = Fact | Fault;

const group = 'chaos';
const entriesOf = (told: readonly Told[]): Entry[] => told.map((fact, at) => ({ at: at * 1000, ...fact }));
const published = (id: string): Told[] => [
  { fact: 'publish', id, confirmed: false },
  { fact: 'publish', id, confirmed: true },
];
const handled = (id: string, consumer = 'consumer-1.1'): Told[] => [
  { fact: 'deliver', id, group, consumer },
  { fact: 'settle', id, group, consumer },
];
const order = (n: string, poison?: Order['poison']): Order => ({
  n,
  workMs: 1,
  failures: 0,
  ...(poison && { poison }),
});
const letter = (n: string | undefined) =>
  ({ envelope: n === undefined ? undefined : { body: { n } } }) as unknown as Outcome['letters'][number];

/** Two orders, both as they should be; the second is poison. */
const good = (more: readonly Told[] = [], changes: Partial<Outcome> = {}): Outcome => ({
  entries: entriesOf([...published('p.1-1'), ...handled('p.1-1'), ...published('p.1-2'), ...more]),
  stored: [order('p.1-1'), order('p.1-2', 'permanent')],
  foreign: 1,
  letters: [letter('p.1-2'), letter(undefined)],
  effects: new Map([['p.1-1', 1]]),
  left: 0,
  deaths: [],
  ...changes,
});

test('what was kept is not called broken', () => {
  expect(judge(good())).toEqual({
    figures: { published: 2, 'stored twice': 0, effects: 1, 'dead letters': 2, 'handled again': 0 },
    broken: [],
  });
});

describe('is broken:', () => {
  const again = handled('p.1-1', 'consumer-2.1');
  const cases: readonly [string, Outcome][] = [
    ['confirmed and not stored', good(published('p.1-3'))],
    ['lost', good(published('p.1-3'), { stored: [order('p.1-1'), order('p.1-2', 'permanent'), order('p.1-3')] })],
    ['handled and never published', good(handled('p.1-9'))],
    ['handled again without a fault', good(again)],
    ['handled again without a fault', good([{ fault: 'paused', of: 'consumer-3.1', from: 0, to: 9000 }, ...again])],
    ['stored more than once', good([], { stored: [order('p.1-1'), order('p.1-1'), order('p.1-2', 'hopeless')] })],
    ['without its effect', good([], { effects: new Map() })],
    ['with more than one effect', good([], { effects: new Map([['p.1-1', 2]]) })],
    [
      'poison with an effect',
      good([], {
        effects: new Map([
          ['p.1-1', 1],
          ['p.1-2', 1],
        ]),
      }),
    ],
    ['poison that is not among', good([], { letters: [letter(undefined)] })],
    ['poison that is not among', good([], { letters: [letter('p.1-2'), letter('p.1-2'), letter(undefined)] })],
    ['dead letters that are no poison', good([], { letters: [letter('p.1-1'), letter('p.1-2'), letter(undefined)] })],
    ['foreign entries', good([], { foreign: 2 })],
    ['not drained', good([], { left: 1 })],
    ['ended of themselves', good([], { deaths: ['consumer-1.1'] })],
  ];
  test.each(cases)('%s', (what, outcome) => {
    expect(judge(outcome).broken).toContainEqual(expect.stringContaining(what));
  });
});

test.each<[string, string | undefined]>([
  ['the first', 'consumer-1.1'],
  ['the second', 'consumer-2.1'],
  ['the server', undefined],
])('a fault of %s explains that an event was handled again', (_, of) => {
  const outcome = good([...handled('p.1-1', 'consumer-2.1'), { fault: 'paused', of, from: 3000, to: 7000 }]);
  expect(judge(outcome)).toMatchObject({ figures: { 'handled again': 1 }, broken: [] });
});

test('a fault long after a success explains nothing', () => {
  const outcome = good([
    { fault: 'killed', of: 'consumer-1.1', from: 5900, to: 6000 },
    ...handled('p.1-1', 'consumer-2.1'),
  ]);
  expect(judge(outcome).broken).toEqual([expect.stringContaining('handled again')]);
});

test('a fault of the producer explains that an order was stored twice', () => {
  const stored = [order('p.1-1'), order('p.1-1'), order('p.1-2', 'permanent')];
  const cut: Fault = { fault: 'cut', of: 'p.1', from: 500, to: 600 };
  expect(judge(good([cut], { stored })).broken).toEqual([]);
});
