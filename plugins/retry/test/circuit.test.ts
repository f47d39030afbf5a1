import { expect, test } from 'vitest';
import { type RetryOptions, withRetry } from '../src/index.ts';
import { kernelWith, noticesOf, reasonsOf, until } from './scene.ts';

const circuit = { minimumCalls: 3, windowMs: 60_000, halfOpenAfterMs: 40 };
const OPTIONS: RetryOptions = { maxAttempts: 100, baseDelayMs: 5, jitter: 'none', backoff: 'fixed', circuit };

test('opens, holds what arrives, lets one through, and then all', async () => {
  const kernel = kernelWith(OPTIONS);
  const notices = noticesOf(kernel);
  const states = (): string[] => notices.map(({ what }) => what);
  let down = true;
  let calls = 0;
  const done = new Set<unknown>();
  await kernel.subscribe(
    'a.*',
    ({ body }) => {
      calls++;
      if (down) throw new Error('down');
      done.add(body);
    },
    { concurrency: 5 },
  );
  await kernel.start();
  await kernel.publishBatch([1, 2, 3].map((body) => ({ type: 'a.b', body })));
  await until(() => states().filter((what) => what === 'circuit open').length >= 3, 'two probes have failed');
  // Three calls opened it, and each half-open state allowed one more.
  expect(calls - 3).toBeLessThanOrEqual(states().filter((what) => what === 'circuit half-open').length);
  down = false;
  await until(() => done.size === 3, 'all are handled');
  expect(states().slice(0, 3)).toEqual(['circuit open', 'circuit half-open', 'circuit open']);
  expect(states().at(-1)).toBe('circuit closed');
  expect(notices[0]?.detail).toEqual({ pattern: 'a.*', group: 'shop' });
});

test.each([
  ['of the kernel', { nonRetryable: [RangeError] }, {}],
  ['of the handler', {}, { nonRetryable: [RangeError] }],
])(
  'a failure that no attempt can mend, by the policy %s, does not speak against what it depends on',
  async (_, all, own) => {
    const kernel = kernelWith({ ...OPTIONS, ...all });
    const notices = noticesOf(kernel);
    const reasons = reasonsOf(kernel);
    await kernel.subscribe(
      'a.*',
      withRetry(() => {
        throw new RangeError('bad event');
      }, own),
    );
    await kernel.start();
    await kernel.publishBatch([1, 2, 3, 4, 5].map((body) => ({ type: 'a.b', body })));
    await until(() => reasons.length >= 5, 'all fail');
    expect(notices).toEqual([]);
  },
);

test('what it holds is let go of at stop, without a handler and without being given up', async () => {
  const kernel = kernelWith({
    ...OPTIONS,
    maxAttempts: 2,
    circuit: { ...circuit, minimumCalls: 1, halfOpenAfterMs: 600_000 },
  });
  const reasons = reasonsOf(kernel);
  let calls = 0;
  await kernel.subscribe('a.*', () => {
    calls++;
    throw new Error('down');
  });
  await kernel.start();
  await kernel.publish('a.b', 1);
  await until(() => calls === 1 && kernel.stats().inFlight === 1, 'the second attempt is held');
  const begun = Date.now();
  expect(await kernel.stop(8000)).toEqual({ unsettled: 0, unpublished: 0 });
  expect(Date.now() - begun).toBeLessThan(4000);
  expect(calls).toBe(1);
  expect(reasons.map(({ code }) => code)).toEqual(['EVENTS_RETRY_SCHEDULED', 'EVENTS_RETRY_CIRCUIT_OPEN']);
});

test('what it holds is let go of when the subscription ends', async () => {
  const kernel = kernelWith({ ...OPTIONS, circuit: { ...circuit, minimumCalls: 1, halfOpenAfterMs: 600_000 } });
  const reasons = reasonsOf(kernel);
  let calls = 0;
  const subscription = await kernel.subscribe('a.*', () => {
    calls++;
    throw new Error('down');
  });
  await kernel.start();
  await kernel.publish('a.b', 1);
  await until(() => calls === 1 && kernel.stats().inFlight === 1, 'the second attempt is held');
  await subscription.unsubscribe(300);
  expect(reasons.map(({ code }) => code)).toEqual(['EVENTS_RETRY_SCHEDULED', 'EVENTS_RETRY_SCHEDULED']);
  expect(kernel.stats().inFlight).toBe(0);
  expect(calls).toBe(1);
});

test('it ends with its subscription, and another one begins anew', async () => {
  const kernel = kernelWith({ ...OPTIONS, circuit: { ...circuit, minimumCalls: 1, halfOpenAfterMs: 50 } });
  const notices = noticesOf(kernel);
  const subscribe = () =>
    kernel.subscribe('a.*', () => {
      throw new Error('down');
    });
  const subscription = await subscribe();
  await kernel.start();
  await kernel.publish('a.b', 1);
  await until(() => notices.length > 0, 'it is open');
  await subscription.unsubscribe(20);
  const told = notices.length;
  // A new one is closed: the next failure opens it. The old one would be probed.
  await subscribe();
  await kernel.publish('a.b', 2);
  await until(() => notices.length > told, 'the next one is open');
  expect(notices[told]?.what).toBe('circuit open');
});

test('what it held goes on in the order in which it came', async () => {
  const kernel = kernelWith({ ...OPTIONS, circuit: { ...circuit, minimumCalls: 1, halfOpenAfterMs: 100 } });
  let down = true;
  const begun: unknown[] = [];
  await kernel.subscribe(
    'a.*',
    ({ body }) => {
      begun.push(body);
      if (down) throw new Error('down');
    },
    { concurrency: 10 },
  );
  await kernel.start();
  await kernel.publish('a.b', 0);
  await until(() => begun.length === 1, 'it opens');
  down = false;
  await kernel.publishBatch([1, 2, 3, 4].map((body) => ({ type: 'a.b', body })));
  await until(() => begun.length === 6, 'all have begun');
  expect(begun.filter((body) => body !== 0)).toEqual([1, 2, 3, 4]);
});

test('while one is let through, whatever else arrives is held', async () => {
  const kernel = kernelWith({ ...OPTIONS, circuit: { ...circuit, minimumCalls: 1 } });
  const begun: unknown[] = [];
  let release = (): void => {};
  await kernel.subscribe(
    'a.*',
    ({ body }) => {
      begun.push(body);
      if (begun.length === 1) throw new Error('down');
      if (begun.length > 2) return undefined;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
    { concurrency: 10 },
  );
  await kernel.start();
  await kernel.publish('a.b', 0);
  await until(() => begun.length === 2, 'it is probed');
  await kernel.publishBatch([1, 2].map((body) => ({ type: 'a.b', body })));
  await until(() => kernel.stats().inFlight === 3, 'they have arrived');
  expect(begun).toEqual([0, 0]);
  release();
  await until(() => begun.length === 4, 'all have begun');
});
