import { EventsError } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { describe, expect, test } from 'vitest';
import { type RetryOptions, retry, withRetry } from '../src/index.ts';
import { kernelWith, noticesOf, reasonsOf, until } from './scene.ts';

const FAST: RetryOptions = { baseDelayMs: 1, maxDelayMs: 5 };
const codes = (reasons: readonly EventsError[]): string[] => reasons.map(({ code }) => code);
const hang = (): Promise<never> => new Promise(() => {});

describe('a delivery that fails', () => {
  test('is due again later, and after its last attempt given up for good', async () => {
    const kernel = kernelWith({ ...FAST, maxRetries: 2 });
    const reasons = reasonsOf(kernel);
    const cause = new Error('no');
    await kernel.subscribe('a.*', () => {
      throw cause;
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length >= 3, 'three attempts');
    expect(codes(reasons.slice(0, 3))).toEqual([
      'EVENTS_RETRY_SCHEDULED',
      'EVENTS_RETRY_SCHEDULED',
      'EVENTS_RETRY_EXHAUSTED',
    ]);
    expect(reasons.slice(0, 3).map(({ permanent }) => permanent)).toEqual([false, false, true]);
    expect(reasons.every((reason) => reason.cause === cause)).toBe(true);
  });

  test('with a permanent reason passes as it is', async () => {
    const kernel = kernelWith(FAST);
    const reasons = reasonsOf(kernel);
    const permanent = new EventsError('EVENTS_TEST', 'never', { permanent: true });
    await kernel.subscribe('a.*', () => {
      throw permanent;
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(reasons[0]).toBe(permanent);
  });

  test.each([
    ['class', [RangeError]],
    ['function', (reason: unknown) => reason instanceof RangeError],
    ['class of many', [TypeError, RangeError]],
  ])('of a non-retryable %s is given up at once', async (_, nonRetryable) => {
    const kernel = kernelWith({ ...FAST, nonRetryable });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', () => {
      throw new RangeError('no');
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(reasons[0]).toMatchObject({ code: 'EVENTS_RETRY_NOT_RETRYABLE', permanent: true });
  });

  test('with a time of its own is due at that time', async () => {
    const kernel = kernelWith({ ...FAST, maxAttempts: 2 });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', () => {
      throw new EventsError('EVENTS_TEST', 'later', { retryAfterMs: 123_456 });
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(reasons[0]?.retryAfterMs).toBe(123_456);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -5, 'soon'])(
    'with %s as its time is due at a time',
    async (given) => {
      const kernel = kernelWith({ ...FAST, jitter: 'none', baseDelayMs: 4, maxAttempts: 2 });
      const reasons = reasonsOf(kernel);
      await kernel.subscribe('a.*', () => {
        throw new EventsError('EVENTS_TEST', 'later', { retryAfterMs: given as number });
      });
      await kernel.start();
      await kernel.publish('a.b', 1);
      await until(() => reasons.some(({ permanent }) => permanent), 'it is given up');
      expect(reasons[0]).toMatchObject({ code: 'EVENTS_RETRY_SCHEDULED', retryAfterMs: given === -5 ? 0 : 4 });
    },
  );

  test('of a promise of its own kind, which calls back twice, is settled once', async () => {
    const kernel = kernelWith({ ...FAST, timeoutMs: 60_000, maxAttempts: 1, circuit: {} });
    const reasons = reasonsOf(kernel);
    let twice = 0;
    kernel.on('settledTwice', () => twice++);
    await kernel.subscribe('a.*', () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested.
      then(resolve: () => void, reject: (reason: unknown) => void) {
        reject(new Error('no'));
        reject(new Error('no, again'));
        resolve();
      },
    }));
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(reasons[0]).toMatchObject({ code: 'EVENTS_RETRY_EXHAUSTED', cause: { message: 'no' } });
    expect(twice).toBe(0);
  });

  test('in a layer below that throws counts its attempts, too', async () => {
    const kernel = kernelWith({ ...FAST, maxAttempts: 2 }).use({
      kind: 'middleware',
      name: 'broken',
      consume: {
        stage: 'once',
        layer: () => () => {
          throw new Error('broken');
        },
      },
    });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', () => {});
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length >= 2, 'two attempts');
    expect(codes(reasons.slice(0, 2))).toEqual(['EVENTS_RETRY_SCHEDULED', 'EVENTS_RETRY_EXHAUSTED']);
  });

  test.each([
    ['throws', () => JSON.parse('no')],
    ['gives a promise', async () => true],
  ])('is tried again when nonRetryable %s', async (_, nonRetryable) => {
    const kernel = kernelWith({ ...FAST, nonRetryable: nonRetryable as () => boolean });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', () => Promise.reject(new Error('no')));
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(codes(reasons)[0]).toBe('EVENTS_RETRY_SCHEDULED');
  });

  test('because the service stops has not used up its last attempt, whatever it fails with', async () => {
    const kernel = kernelWith({ ...FAST, maxAttempts: 1, nonRetryable: () => true });
    const reasons = reasonsOf(kernel);
    let started = false;
    await kernel.subscribe('a.*', (_, { signal }) => {
      started = true;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => started, 'the handler');
    await kernel.stop(200);
    expect(codes(reasons)).toEqual(['EVENTS_RETRY_SCHEDULED']);
    expect(reasons[0]).toMatchObject({ uncounted: true, permanent: false, retryAfterMs: 0 });
  });
});

describe('a policy of its own', () => {
  const attempts = async (options: RetryOptions, own = false): Promise<number> => {
    const kernel = kernelWith({ ...FAST, ...options });
    const reasons = reasonsOf(kernel);
    const handler = (): void => {
      throw new Error('no');
    };
    await kernel.subscribe('a.*', own ? withRetry(handler, { maxAttempts: 3 }) : handler, { group: 'mailer' });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.some(({ permanent }) => permanent), 'it is given up');
    return reasons.findIndex(({ permanent }) => permanent) + 1;
  };

  test.each([
    ['none', 4, {}, false],
    ['by pattern', 2, { subscriptions: { 'a.*': { maxAttempts: 2 }, mailer: { maxAttempts: 5 } } }, false],
    ['by group', 5, { subscriptions: { mailer: { maxRetries: 4 } } }, false],
    ['by handler, before all others', 3, { subscriptions: { 'a.*': { maxRetries: 1 } } }, true],
    ['of another name', 4, { subscriptions: { 'a.b': { maxAttempts: 2 } } }, false],
  ])('%s: %i attempts', async (_, count, options, own) => {
    expect(await attempts(options, own)).toBe(count);
  });

  test('what a handler leaves open comes from its subscription', async () => {
    const kernel = kernelWith({ subscriptions: { 'a.*': { backoff: 'fixed', jitter: 'none', baseDelayMs: 4321 } } });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe(
      'a.*',
      withRetry(() => Promise.reject(new Error('no')), { maxAttempts: 2 }),
    );
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(reasons[0]).toMatchObject({ retryAfterMs: 4321, message: expect.stringContaining('Attempt 1 of 2') });
  });
});

describe('a time-out', () => {
  test('fires the signal, fails the attempt and frees the handler', async () => {
    const kernel = kernelWith({ ...FAST, timeoutMs: 30, maxAttempts: 2 });
    const reasons = reasonsOf(kernel);
    const signals: unknown[] = [];
    const done: unknown[] = [];
    await kernel.subscribe('a.*', ({ body }, { signal }) => {
      if (body === 'quick') return void done.push(body);
      signal.addEventListener('abort', () => signals.push(signal.reason));
      return hang();
    });
    await kernel.start();
    await kernel.publish('a.b', 'hangs');
    await kernel.publish('a.b', 'quick');
    await until(() => done.length === 1 && reasons.length >= 2, 'the next one is handled');
    expect(signals[0]).toMatchObject({ code: 'EVENTS_RETRY_TIMEOUT' });
    expect(reasons[0]).toMatchObject({ code: 'EVENTS_RETRY_SCHEDULED', cause: { code: 'EVENTS_RETRY_TIMEOUT' } });
    expect(reasons[1]).toMatchObject({ code: 'EVENTS_RETRY_EXHAUSTED', cause: { code: 'EVENTS_RETRY_TIMEOUT' } });
  });

  test('a handler may have its own', async () => {
    const kernel = kernelWith(FAST);
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', withRetry(hang, { timeoutMs: 20 }));
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.length > 0, 'it fails');
    expect(reasons[0]).toMatchObject({ cause: { code: 'EVENTS_RETRY_TIMEOUT' } });
  });
});

test('over the budget a retry waits as long as can be, which is told once', async () => {
  const kernel = kernelWith({ baseDelayMs: 1, maxDelayMs: 60_000, budget: { ratio: 0, minPerSecond: 0.2 } });
  const reasons = reasonsOf(kernel);
  const notices = noticesOf(kernel);
  await kernel.subscribe(
    'a.*',
    () => {
      throw new Error('no');
    },
    { concurrency: 10 },
  );
  await kernel.start();
  await kernel.publishBatch([1, 2, 3, 4, 5, 6].map((body) => ({ type: 'a.b', body })));
  await until(() => reasons.length >= 6, 'all fail');
  expect(reasons.filter(({ retryAfterMs }) => retryAfterMs === 60_000).length).toBeGreaterThanOrEqual(4);
  expect(reasons.filter(({ retryAfterMs = 0 }) => retryAfterMs < 60_000)).toHaveLength(2);
  expect(notices).toMatchObject([{ plugin: 'retry', what: 'over budget', detail: { retries: 2 } }]);
});

test.each([
  { maxAttempts: 3, maxRetries: 3 },
  { timeoutMs: 0 },
  { nonRetryable: 'RangeError' },
  { nonRetryable: [() => true] },
  { nonRetryable: [null] },
  { budget: { ratio: 2 } },
  { circuit: { failureRate: 0 } },
  { subscriptions: { 'a.*': { circuit: { minimumCalls: 0 } } } },
  { subscriptions: { 'a.*': { maxAttempts: 0 } } },
  { subscriptions: { 'a.*': null } },
  { publish: { isRetryable: true } },
  { publish: { maxAttempts: 0 } },
])('%j is refused at once', (options) => {
  expect(() => retry(options as unknown as RetryOptions)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
});

test('a group may have the name of what every object has', async () => {
  const kernel = kernelWith(FAST, memory());
  const reasons = reasonsOf(kernel);
  await kernel.subscribe('a.*', () => Promise.reject(new Error('no')), { group: 'constructor' });
  await kernel.start();
  await kernel.publish('a.b', 1);
  await until(() => reasons.length > 0, 'it fails');
  expect(codes(reasons)[0]).toBe('EVENTS_RETRY_SCHEDULED');
});
