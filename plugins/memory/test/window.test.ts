import { expect, test } from 'vitest';
import { Window } from '../src/window.ts';

test('numbers go on from where it started, however much is dropped and however it grows', () => {
  const window = new Window<string>(1000);
  const model: string[] = [];
  let start = 1000;
  const drop = (): void => {
    expect(window.shift()).toBe(model.shift());
    start++;
  };
  for (let round = 1; round <= 60; round++) {
    for (let n = 0; n < round; n++) {
      window.push(`${round}/${n}`);
      model.push(`${round}/${n}`);
    }
    for (let n = 0; n < Math.floor(round / 2); n++) drop();
    window.set(start, 'changed');
    model[0] = 'changed';
    expect([window.start, window.end, window.length]).toEqual([start, start + model.length, model.length]);
    expect(Array.from(model, (_, index) => window.at(start + index))).toEqual(model);
  }
  expect(window.at(start - 1)).toBeUndefined();
  expect(window.at(window.end)).toBeUndefined();
  while (model.length > 0) drop();
  expect(window.shift()).toBeUndefined();
  expect([window.start, window.length]).toEqual([start, 0]);
});
