import { expect, test } from 'vitest';
import { checkBudget, createBudget } from '../src/budget.ts';

test('allows a share of the deliveries and a few beside, and tells once when that is spent', () => {
  let now = 100_000;
  const told: object[] = [];
  const budget = createBudget(
    checkBudget({ ratio: 0.1, minPerSecond: 0.2 }),
    (detail) => told.push(detail),
    () => now,
  );
  budget.delivered(30);
  const spent = (count: number): boolean[] => Array.from({ length: count }, () => budget.spend());
  expect(spent(7)).toEqual([true, true, true, true, true, false, false]);
  expect(told).toEqual([{ deliveries: 30, retries: 5 }]);
  now += 10_000;
  expect(spent(4)).toEqual([true, true, false, false]);
  expect(told).toHaveLength(2);
});
