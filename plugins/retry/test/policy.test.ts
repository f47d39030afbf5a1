import type { Envelope, HandlerContext } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { describe, expect, test, vi } from 'vitest';
import { type RetryOptions, type RetryPolicy, retry, withRetry } from '../src/index.ts';
import { kernelWith, reasonsOf, until } from './scene.ts';

// What nobody settles must not hold up the others.
vi.setConfig({ testTimeout: 10_000 });

const FAST: RetryOptions = { baseDelayMs: 1, maxDelayMs: 5 };
const hang = (): Promise<never> => new Promise(() => {});

test('a time-out that an override leaves open, by undefined too, is that of all', async () => {
  const override = { maxAttempts: 2, timeoutMs: undefined } as unknown as RetryPolicy;
  const kernel = kernelWith({ ...FAST, timeoutMs: 20, subscriptions: { 'a.*': override } });
  const reasons = reasonsOf(kernel);
  await kernel.subscribe('a.*', hang);
  await kernel.start();
  await kernel.publish('a.b', 1);
  await until(() => reasons.length > 0, 'it takes too long');
  expect(reasons[0]).toMatchObject({ cause: { code: 'EVENTS_RETRY_TIMEOUT' } });
});

describe('of several handlers of one event', () => {
  const reason = new Error('of both');

  test('one that fails with the same value adds nothing to the policy of the first', async () => {
    const kernel = kernelWith({ ...FAST, maxAttempts: 3 });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe(
      'a.*',
      withRetry(() => Promise.reject(reason), { backoff: 'fixed' }),
    );
    await kernel.subscribe(
      'a.b',
      withRetry(() => Promise.reject(reason), { maxAttempts: 1 }),
    );
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'both fail');
    expect(reasons[0]).toMatchObject({ code: 'EVENTS_RETRY_SCHEDULED', message: expect.stringContaining('1 of 3') });
  });

  test('one that failed by itself before the stop has used up the attempt, beside one that the stop ended', async () => {
    const kernel = kernelWith({ ...FAST, maxAttempts: 3 });
    const reasons = reasonsOf(kernel);
    let begun = 0;
    await kernel.subscribe('a.*', () => {
      begun++;
      throw new Error('by itself');
    });
    await kernel.subscribe('a.b', (_event, { signal }) => {
      begun++;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => begun === 2, 'both handlers');
    await kernel.stop(300);
    expect(reasons).toMatchObject([{ code: 'EVENTS_RETRY_SCHEDULED', uncounted: false }]);
  });
});

describe('a handler with a policy that is called without a kernel', () => {
  const event = {} as Envelope;
  test.each([[{}], [undefined]])('and %j as its context fails with its own error', async (context) => {
    const mine = new Error('mine');
    for (const timeoutMs of [undefined, 1000]) {
      const handler = withRetry(() => Promise.reject(mine), timeoutMs === undefined ? {} : { timeoutMs });
      await expect(handler(event, context as HandlerContext)).rejects.toBe(mine);
    }
    const throws = withRetry(() => {
      throw mine;
    }, {});
    expect(() => throws(event, context as HandlerContext)).toThrow(mine);
  });

  test.each([[{}], [undefined]])('and %j as its context has its time-out', async (context) => {
    const late = withRetry(hang, { timeoutMs: 20 })(event, context as HandlerContext);
    await expect(late).rejects.toMatchObject({ code: 'EVENTS_RETRY_TIMEOUT' });
  });
});

class InvalidOrder extends Error {}
class NoError {}

test.each<[string, unknown]>([
  ['options', null],
  ['options', 5],
  ['publish', { publish: null }],
  ['publish', { publish: true }],
  ['circuit', { circuit: 5 }],
  ['circuit', { circuit: null }],
  ['circuit', { subscriptions: { 'a.*': { circuit: true } } }],
  ['budget', { budget: 1 }],
  ['budget', { budget: null }],
  ['subscriptions', { subscriptions: null }],
  ['subscriptions', { subscriptions: [{}] }],
  ['nonRetryable', { nonRetryable: InvalidOrder }],
  ['nonRetryable', { nonRetryable: NoError }],
  ['nonRetryable', { nonRetryable: RangeError }],
  ['nonRetryable', { subscriptions: { 'a.*': { nonRetryable: InvalidOrder } } }],
])('%s: %o is refused at once', (name, options) => {
  expect(() => retry(options as RetryOptions)).toThrow(
    expect.objectContaining({ code: 'EVENTS_CONFIG', message: expect.stringContaining(`\`${name}`) }),
  );
});

test('a handler that is none, and a policy that is none, are refused at once', () => {
  const config = expect.objectContaining({ code: 'EVENTS_CONFIG' });
  expect(() => withRetry(hang, null as unknown as RetryPolicy)).toThrow(config);
  expect(() => withRetry('no' as never, {})).toThrow(config);
});

test('functions of the reason, of whatever kind, and parts that are switched off are taken', () => {
  const isInvalid = (reason: unknown): boolean => reason instanceof InvalidOrder;
  for (const nonRetryable of [isInvalid, (reason: unknown) => reason === 1, [InvalidOrder, RangeError]])
    expect(() => kernelWith({ nonRetryable, publish: false, circuit: false, budget: false }, memory())).not.toThrow();
});
