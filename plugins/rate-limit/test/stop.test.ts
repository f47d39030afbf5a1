import { createKernel, type EventBus, type Store, type Transport } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type RateLimitOptions, rateLimit } from '../src/index.ts';
import { until } from './until.ts';

// What nobody settles must not hold up the others.
vi.setConfig({ testTimeout: 10_000 });

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const HOUR = 3_600_000;
const running: EventBus[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((kernel) => kernel.stop(1000)));
});

/** A store that answers when `release` is called, and at once from then on. */
const slow = () => {
  const transport = memory();
  const { store } = transport.capabilities;
  let release = (): void => {};
  let asked = 0;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const later =
    <Given extends unknown[], T>(call: (...given: Given) => Promise<T>) =>
    async (...given: Given): Promise<T> => {
      asked++;
      await released;
      return call(...given);
    };
  const held: Store = {
    ...store,
    get: later((key) => store.get(key)),
    increment: later((...given) => store.increment(...given)),
    compareAndSet: later((...given) => store.compareAndSet(...given)),
  };
  const slowed: Transport<{ store: Store }> = {
    ...transport,
    capabilities: { ...transport.capabilities, store: held },
  };
  return { transport: slowed, release: () => release(), asked: () => asked };
};

const start = async (transport: Transport<{ store: Store }>, options: RateLimitOptions): Promise<EventBus> => {
  const kernel = createKernel({ service: 'shop', logger: silent }).use(transport).use(rateLimit(options));
  running.push(kernel);
  await kernel.start();
  return kernel;
};
const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'stored',
    ({ code, uncounted }) => ({ code, uncounted }),
  );
const STOPPED = { code: 'EVENTS_RATE_LIMITED', uncounted: true };
const batch = (count: number) => Array.from({ length: count }, (_, body) => ({ type: 'a.b', body }));

describe.each(['sliding-window', 'token-bucket'] as const)('a shared %s', (strategy) => {
  const shared = { scope: 'shared', strategy, timeWindowMs: HOUR } as const;

  test('stop waits for the answer, which says what passes; the rest is refused, and was not tried', async () => {
    const { transport, release, asked } = slow();
    const kernel = await start(transport, { ...shared, maxRequests: 3 });
    const outcomes = [1, 2, 3, 4, 5].map((body) => outcomeOf(kernel.publish('a.b', body)));
    kernel.on('stopping', () => {
      // The limits hear of the stop before.
      outcomes.push(outcomeOf(kernel.publish('a.b', 6)));
      release();
    });
    await until(() => asked() > 0, 'it is asked');
    expect(await kernel.stop(2000)).toEqual({ unsettled: 0, unpublished: 0 });
    expect(await Promise.all(outcomes)).toEqual(['stored', 'stored', 'stored', STOPPED, STOPPED, STOPPED]);
  });

  test.each(['wait', 'reject'] as const)('a store that never answers holds up no stop, with %s', async (onLimit) => {
    const { transport } = slow();
    const kernel = await start(transport, { ...shared, onLimit, maxWaitMs: HOUR });
    const waiting = outcomeOf(kernel.publish('a.b', 1));
    expect(await kernel.stop(300)).toEqual({ unsettled: 0, unpublished: 0 });
    expect(await waiting).toEqual(STOPPED);
  });

  test.each(['wait', 'reject'] as const)(
    'what waits for the answer only is not one that waits for its turn, with %s',
    async (onLimit) => {
      const { transport, release } = slow();
      const kernel = await start(transport, { ...shared, onLimit, maxRequests: 1000, maxQueued: 10 });
      const all = Promise.all([
        kernel.publishBatch(batch(500)),
        ...batch(400).map(({ body }) => kernel.publish('a.b', body)),
      ]);
      release();
      await all;
      expect(kernel.stats().published).toBe(900);
    },
  );

  test('after the answer no more than maxQueued wait, the first ones; and even before it there is a bound', async () => {
    const { transport, release } = slow();
    const kernel = await start(transport, { ...shared, maxRequests: 5, maxQueued: 3 });
    const outcomes = batch(10).map(({ body }) => outcomeOf(kernel.publish('a.b', body)));
    // 5 may pass and 3 may wait.
    const full = { code: 'EVENTS_RATE_LIMITED', uncounted: false };
    expect(await Promise.all(outcomes.slice(8))).toEqual([full, full]);
    release();
    await until(() => kernel.stats().published === 5, 'what may pass has passed');
    expect(await outcomeOf(kernel.publish('a.b', 'one more'))).toEqual(full);
    expect(kernel.stats().publishing).toBe(3);
    await kernel.stop();
    expect(await Promise.all(outcomes.slice(0, 8))).toEqual([...Array(5).fill('stored'), ...Array(3).fill(STOPPED)]);
  });
});

test('stop refuses what waits for its turn in a process as not tried, and what is one too many as any other', async () => {
  const kernel = await start(memory(), { maxRequests: 1, timeWindowMs: HOUR, maxQueued: 1 });
  const outcomes = [1, 2, 3].map((body) => outcomeOf(kernel.publish('a.b', body)));
  await kernel.stop();
  expect(await Promise.all(outcomes)).toEqual(['stored', STOPPED, { code: 'EVENTS_RATE_LIMITED', uncounted: false }]);
});
