import { describe, expect, test } from 'vitest';
import { createIds } from '../src/id.ts';

const LAYOUT = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = Date.UTC(2025, 10, 20, 12, 34, 56, 789);

const timeOf = (id: string): number => {
  const [, high, low] = LAYOUT.exec(id) ?? [];
  return Number.parseInt(`${high}${low}`, 16);
};

describe('id', () => {
  test.each([0, 1, NOW, 2 ** 48 - 1])('has the layout of RFC 9562 and the time in it: %d', (now) => {
    const id = createIds().id(now);
    expect(id).toMatch(LAYOUT);
    expect(timeOf(id)).toBe(now);
  });

  test('grows within a millisecond, from one to the next, and when the clock is set back', () => {
    const { id } = createIds();
    const times = [...Array<number>(50_000).fill(NOW), NOW + 1, NOW - 3_600_000, NOW - 1, NOW + 1, NOW + 2];
    const ids = times.map(id);
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
    for (const each of ids) expect(each).toMatch(LAYOUT);
  });

  test('borrows from the next millisecond when the counter is used up', () => {
    const { id } = createIds();
    const random = Math.random;
    // Beyond the quarter in which the counter begins, 16 before its end: to count up to there would take 50 million ids.
    Math.random = () => 4 - 2 ** -20;
    try {
      let last = id(NOW);
      for (let n = 0; n < 15; n++) last = id(NOW);
      expect(timeOf(last)).toBe(NOW);
      const next = id(NOW);
      expect(next > last).toBe(true);
      expect(timeOf(next)).toBe(NOW + 1);
    } finally {
      Math.random = random;
    }
  });

  test('of two instances never meet', () => {
    const tails = Array.from({ length: 100 }, () => createIds().id(NOW).slice(-12));
    expect(new Set(tails).size).toBe(100);
  });
});

test('iso is ISO 8601 in UTC with milliseconds', () => {
  const { iso } = createIds();
  for (const now of [NOW, NOW, 0, NOW + 1]) expect(iso(now)).toBe(new Date(now).toISOString());
});
