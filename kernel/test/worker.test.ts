import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createKernel } from '../src/index.ts';
import { loop } from './loop.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const create = () => createKernel({ service: 'test', logger: silent }).use(loop());

const until = async (fact: () => boolean): Promise<void> => {
  const deadline = Date.now() + 5000;
  while (!fact()) {
    if (Date.now() > deadline) throw new Error('What was waited for did not happen.');
    await sleep(1);
  }
};

describe('a handler that gives back something like a promise', () => {
  test.each([
    ['whose then throws', () => thrower()],
    ['whose then cannot be read', () => Object.defineProperty({}, 'then', { get: () => thrower().then() })],
  ])('%s fails that event, and works on', async (_, result) => {
    await using kernel = await create().start();
    const attempts: number[] = [];
    await kernel.subscribe('a.x', (_event, { attempt }) => {
      attempts.push(attempt);
      return attempt === 1 ? result() : undefined;
    });
    await kernel.publish('a.x', 1);
    await until(() => attempts.length === 2);
    expect(attempts).toEqual([1, 2]);
    expect(kernel.stats().inFlight).toBe(0);
  });

  test('that calls back twice counts once', async () => {
    await using kernel = await create().start();
    let twice = 0;
    kernel.on('settledTwice', () => twice++);
    await kernel.subscribe('a.x', () => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(done: () => void) {
        done();
        done();
      },
    }));
    await kernel.publish('a.x', 1);
    await until(() => kernel.stats().settled === 1);
    expect(twice).toBe(0);
  });
});

test('unsubscribe waits for what another subscription of the group gave to its handler, and nothing begins after it', async () => {
  await using kernel = await create().start();
  let running = 0;
  let begun = 0;
  const one = await kernel.subscribe('a.x', async () => {
    begun++;
    running++;
    await sleep(5);
    running--;
  });
  await kernel.subscribe('a.*', () => {}, { concurrency: 20 });
  await Promise.all(Array.from({ length: 10 }, (_, index) => kernel.publish('a.x', index)));
  await until(() => running > 0);
  await one.unsubscribe();
  const before = begun;
  expect(running).toBe(0);
  await kernel.publish('a.x', 11);
  await until(() => kernel.stats().inFlight === 0);
  expect(begun).toBe(before);
});

test('a listener that rejects is logged and ends nothing', async () => {
  const errors: unknown[] = [];
  const kernel = createKernel({ service: 'test', logger: { ...silent, error: (fields) => errors.push(fields) } }).use(
    loop(),
  );
  kernel.on('started', async () => {
    throw new Error('listener');
  });
  await kernel.start();
  await until(() => errors.length === 1);
  await kernel.stop();
});

test('a delivery shows where it is, and nothing of what the event says', async () => {
  await using kernel = await create().start();
  let shown = '';
  await kernel.subscribe('a.x', (_, context) => {
    shown = JSON.stringify(context);
  });
  await kernel.publish('a.x', { secret: 'canary' });
  await until(() => shown !== '');
  expect(shown).toContain('"attempt":1');
  expect(shown).not.toContain('canary');
});

const thrower = () => ({
  // biome-ignore lint/suspicious/noThenProperty: it is what is tested
  then(): never {
    throw new Error('then');
  },
});
