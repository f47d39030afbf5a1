import { expect, test } from 'vitest';
import { Window } from '../src/window.ts';

test('it numbers like an array that never forgets how much it has dropped', () => {
  const window = new Window<number>(1000);
  const model: number[] = [];
  let start = 1000;
  let seed = 1;
  for (let step = 0; step < 20_000; step++) {
    seed = (seed * 48271) % 0x7fffffff;
    if (seed % 5 < (step % 4000 < 2000 ? 3 : 2)) {
      window.push(step);
      model.push(step);
    } else {
      expect(window.shift()).toBe(model.shift());
      start = Math.min(start + 1, 1000 + step);
    }
    start = window.end - model.length;
    expect(window.length).toBe(model.length);
    expect(window.start).toBe(start);
    expect(window.at(start)).toBe(model[0]);
    expect(window.at(window.end - 1)).toBe(model.at(-1));
  }
  expect(model.length).toBeGreaterThan(0);
  expect(Array.from(model, (_, index) => window.at(window.start + index))).toEqual(model);
  expect(window.at(window.start - 1)).toBeUndefined();
  expect(window.at(window.end)).toBeUndefined();
});
