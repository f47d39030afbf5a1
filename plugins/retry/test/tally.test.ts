import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Tally } from '../src/tally.ts';

test('counts what lies within the window and forgets what does not', () => {
  const tally = new Tally(1000);
  tally.add(1, 2, 5000);
  tally.add(10, 20, 5500);
  expect(tally.sums(5999)).toEqual([11, 22]);
  expect(tally.sums(6000)).toEqual([10, 20]);
  expect(tally.sums(6500)).toEqual([0, 0]);
});

test('agrees with a list of all that was added, whatever the times', () => {
  const step = fc.record({ wait: fc.nat({ max: 700 }), first: fc.nat({ max: 9 }), second: fc.nat({ max: 9 }) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const tally = new Tally(1000);
      const added: { slot: number; first: number; second: number }[] = [];
      let now = 1_000_000;
      for (const { wait, first, second } of steps) {
        now += wait;
        tally.add(first, second, now);
        added.push({ slot: Math.floor(now / 100), first, second });
        const alive = added.filter(({ slot }) => slot > Math.floor(now / 100) - 10);
        expect(tally.sums(now)).toEqual([
          alive.reduce((sum, each) => sum + each.first, 0),
          alive.reduce((sum, each) => sum + each.second, 0),
        ]);
      }
    }),
  );
});
