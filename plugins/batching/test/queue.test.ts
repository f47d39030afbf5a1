import { expect, test } from 'vitest';
import { Queue } from '../src/queue.ts';

test('first in, first out, however often it is refilled', () => {
  const queue = new Queue<number>();
  const taken: number[] = [];
  for (let n = 0; n < 1000; n++) {
    queue.push(n);
    if (n % 3 === 0) taken.push(queue.shift() as number);
  }
  expect([queue.first, queue.size]).toEqual([taken.length, 1000 - taken.length]);
  while (queue.size) taken.push(queue.shift() as number);
  expect(taken).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  expect([queue.shift(), queue.first, queue.size]).toEqual([undefined, undefined, 0]);
});
