import { afterEach, expect, test } from 'vitest';
import { createKernel, type Middleware } from '../src/index.ts';
import { loop } from './loop.ts';
import { deferred, silent } from './probe.ts';

const kernels: { stop(timeoutMs?: number): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(kernels.splice(0).map((kernel) => kernel.stop(1000)));
});

/** Writes down which handler it wraps, and when it runs. */
const wrapping = (name: string, stage: 'retry' | 'once', seen: string[]): Middleware => ({
  kind: 'middleware',
  name,
  consume: {
    stage,
    layer: (next) => next,
    handler: (handler, { pattern, group }) => {
      seen.push(`${name} wraps ${pattern} of ${group}`);
      return (event, delivery) => {
        seen.push(`${name} runs ${event.header.type}`);
        return handler(event, delivery);
      };
    },
  },
});

test.each([
  ['retry', 'once'],
  ['once', 'retry'],
])('a handler is wrapped by every middleware, in the order of the stages: used as %s, %s', async (...order) => {
  const seen: string[] = [];
  const wrappers = { retry: wrapping('outer', 'retry', seen), once: wrapping('inner', 'once', seen) };
  const kernel = createKernel({ service: 'shop', logger: silent }).use(loop());
  for (const name of order) kernel.use(wrappers[name as 'retry']);
  kernels.push(kernel);
  const done = deferred();
  await kernel.subscribe('a.*', () => {
    seen.push('handler');
    done.resolve();
  });
  expect(seen).toEqual([]);
  await kernel.start();
  await kernel.publish('a.x', 1);
  await done.promise;
  expect(seen).toEqual([
    'inner wraps a.* of shop',
    'outer wraps a.* of shop',
    'outer runs a.x',
    'inner runs a.x',
    'handler',
  ]);
});

test('a handler is wrapped anew with every start', async () => {
  const seen: string[] = [];
  const kernel = createKernel({ service: 'shop', logger: silent })
    .use(loop())
    .use(wrapping('one', 'once', seen));
  kernels.push(kernel);
  await kernel.subscribe('a.x', () => {}, { group: 'g' });
  for (let round = 0; round < 2; round++) {
    await kernel.start();
    await kernel.stop();
  }
  expect(seen).toEqual(['one wraps a.x of g', 'one wraps a.x of g']);
});
