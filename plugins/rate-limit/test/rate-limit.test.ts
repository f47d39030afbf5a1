import { setTimeout as sleep } from 'node:timers/promises';
import {
  createKernel,
  type EventBus,
  type EventsError,
  isEventsError,
  type Middleware,
  PublishError,
} from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { afterEach, describe, expect, test } from 'vitest';
import { type RateLimitOptions, rateLimit } from '../src/index.ts';
import { until } from './until.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const HOUR = 3_600_000;
const running: EventBus[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((kernel) => kernel.stop(1000)));
});

/** A kernel with a limit, and what came through it: body and time, batch by batch. */
const start = async (options: RateLimitOptions) => {
  const batches: unknown[][] = [];
  const times: number[] = [];
  const probe: Middleware = {
    kind: 'middleware',
    name: 'probe',
    publish: {
      stage: 'route',
      layer: (next) => (batch, settle) => {
        batches.push(batch.map(({ body }) => body));
        for (const _ of batch) times.push(performance.now());
        next(batch, settle);
      },
    },
  };
  const kernel = createKernel({ service: 'shop', logger: silent }).use(memory()).use(rateLimit(options)).use(probe);
  running.push(kernel);
  await kernel.start();
  return { kernel, batches, times, passed: () => batches.flat() };
};

const refusal = async (work: Promise<unknown>): Promise<EventsError> => {
  const reason = await work.then(
    () => expect.fail('it was not refused'),
    (thrown) => thrown,
  );
  expect(isEventsError(reason)).toBe(true);
  return reason;
};
const events = (count: number, type = 'a.b') => Array.from({ length: count }, (_, body) => ({ type, body }));

describe.each(['sliding-window', 'token-bucket'] as const)('%s', (strategy) => {
  test('what comes too soon waits for its turn, in order', async () => {
    const { kernel, passed, times } = await start({ maxRequests: 5, timeWindowMs: 60, strategy });
    await Promise.all(events(18).map(({ type, body }) => kernel.publish(type, body)));
    expect(passed()).toEqual(events(18).map(({ body }) => body));
    // Of a bucket 5 pass at once and 13 at 5 in 60 ms; of a window no 6 within 60 ms.
    if (strategy === 'token-bucket') expect(times[17]! - times[0]!).toBeGreaterThan(13 * 12 - 5);
    else for (let at = 5; at < 18; at++) expect(times[at]! - times[at - 5]!).toBeGreaterThan(58);
  });

  test('a batch larger than the limit passes in parts', async () => {
    const { kernel, batches, passed } = await start({ maxRequests: 4, timeWindowMs: 20, strategy });
    expect(await kernel.publishBatch(events(10))).toHaveLength(10);
    expect(passed()).toEqual(events(10).map(({ body }) => body));
    expect(batches[0]).toEqual([0, 1, 2, 3]);
  });

  test('a rejection says when to try again, and then it passes', async () => {
    const { kernel, passed } = await start({ maxRequests: 2, timeWindowMs: 80, strategy, onLimit: 'reject' });
    await kernel.publishBatch(events(2));
    const { code, retryAfterMs, message, permanent } = await refusal(kernel.publish('a.b', 'secret'));
    expect({ code, permanent }).toEqual({ code: 'EVENTS_RATE_LIMITED', permanent: false });
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(message).not.toContain('secret');
    await sleep(retryAfterMs);
    await kernel.publish('a.b', 'again');
    expect(passed()).toEqual([0, 1, 'again']);
  });
});

test('whoever tries on and on, a window never holds more', async () => {
  const { kernel, times } = await start({ maxRequests: 5, timeWindowMs: 60, onLimit: 'reject' });
  while (times.length < 20) {
    await kernel.publish('a.b', 1).catch(() => {});
    await sleep(1);
  }
  for (let at = 5; at < times.length; at++) expect(times[at]! - times[at - 5]!).toBeGreaterThan(58);
});

test('what comes when there is room again does not overtake what waits', async () => {
  const { kernel, passed } = await start({ maxRequests: 4, timeWindowMs: 20 });
  const all = events(7).map(({ type, body }) => kernel.publish(type, body));
  const begin = performance.now();
  while (performance.now() - begin < 25);
  all.push(kernel.publish('a.b', 'late'));
  await Promise.all(all);
  expect(passed()).toEqual([0, 1, 2, 3, 4, 5, 6, 'late']);
});

test('a batch that is rejected in part says which part', async () => {
  const { kernel, passed } = await start({ maxRequests: 3, timeWindowMs: HOUR, onLimit: 'reject' });
  const failed = await kernel.publishBatch(events(5)).catch((thrown) => thrown);
  expect(failed).toBeInstanceOf(PublishError);
  expect(failed.failures.map(({ index }: { index: number }) => index)).toEqual([3, 4]);
  expect(passed()).toEqual([0, 1, 2]);
});

test('no more than maxQueued wait, over all limits', async () => {
  const { kernel } = await start({ maxRequests: 1, timeWindowMs: HOUR, maxQueued: 2, limits: { 'c.*': {} } });
  const waiting = ['a.b', 'c.d', 'a.b', 'c.d'].map((type) => kernel.publish(type, 1));
  await Promise.all(waiting.slice(0, 2));
  expect((await refusal(kernel.publish('a.b', 1))).code).toBe('EVENTS_RATE_LIMITED');
  expect(kernel.stats().publishing).toBe(2);
  await Promise.all([kernel.stop(), ...waiting.slice(2).map(refusal)]);
});

test('who has waited for maxWaitMs is rejected', async () => {
  const { kernel, passed } = await start({ maxRequests: 1, timeWindowMs: HOUR, maxWaitMs: 30 });
  const begin = performance.now();
  await kernel.publish('a.b', 1);
  expect((await refusal(kernel.publish('a.b', 2))).retryAfterMs).toBeGreaterThan(HOUR / 2);
  expect(performance.now() - begin).toBeGreaterThan(28);
  expect(passed()).toEqual([1]);
});

test('stop lets go of what waits, at once; the kernel can be started again', async () => {
  const { kernel } = await start({ maxRequests: 1, timeWindowMs: 50, maxWaitMs: HOUR });
  const outcomes = events(40).map(({ body }) => kernel.publish('a.b', body).catch(({ code }) => code));
  expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  expect((await Promise.all(outcomes)).slice(-30)).toEqual(Array(30).fill('EVENTS_RATE_LIMITED'));
  await kernel.start();
  await Promise.all([kernel.publish('a.b', 'again'), kernel.publish('a.b', 'and again')]);
});

test('a type has its own limit before a pattern, the first pattern before the next, and the rest the common one', async () => {
  const limits = { 'a.*': { maxRequests: 2 }, '*.x': { maxRequests: 3 }, 'a.b': { maxRequests: 1 } };
  const { kernel } = await start({ maxRequests: 4, timeWindowMs: HOUR, onLimit: 'reject', limits });
  const stored = async (type: string): Promise<number> => {
    const { failures } = await kernel.publishBatch(events(9, type)).catch((thrown) => thrown);
    return 9 - failures.length;
  };
  expect(await stored('a.b')).toBe(1);
  expect(await stored('a.x')).toBe(2);
  expect(await stored('b.x')).toBe(3);
  expect(await stored('b.c')).toBe(4);
  expect(await stored('c.d')).toBe(0);
});

test('events of one limit do not wait for those of another, and a batch keeps its order', async () => {
  const { kernel, batches } = await start({ maxRequests: 100, limits: { 'slow.*': { maxRequests: 2 } } });
  const types = ['slow.a', 'b.b', 'slow.a', 'slow.a', 'c.c'];
  const all = kernel.publishBatch(types.map((type, body) => ({ type, body }))).catch((thrown) => thrown);
  await until(() => batches.length > 0, 'what may pass has passed');
  expect(batches).toEqual([[0, 1, 2, 4]]);
  await kernel.stop();
  expect((await all).failures).toMatchObject([{ index: 3, reason: { code: 'EVENTS_RATE_LIMITED' } }]);
});

test('each key has a limit of its own; one that cannot be told is the reason of its event alone', async () => {
  const key = ({ body }: { body: unknown }) => (body as { tenant: string }).tenant.toLowerCase();
  const { kernel } = await start({ maxRequests: 1, timeWindowMs: HOUR, onLimit: 'reject', key });
  const of = (tenant: unknown) => ({ type: 'a.b', body: { tenant } });
  const { failures } = await kernel.publishBatch([of('X'), of('y'), of('x'), of(7), of('z')]).catch((thrown) => thrown);
  expect(failures).toMatchObject([{ index: 2, reason: { code: 'EVENTS_RATE_LIMITED' } }, { index: 3 }]);
  expect(failures[1].reason).toBeInstanceOf(TypeError);
});

test('however many keys there are, none is forgotten while it counts', async () => {
  const { kernel } = await start({ maxRequests: 1, timeWindowMs: HOUR, onLimit: 'reject', key: (e) => e.key ?? '' });
  for (let at = 0; at < 3000; at++) await kernel.publish('a.b', at, { key: `k${at}` });
  expect((await refusal(kernel.publish('a.b', 1, { key: 'k0' }))).code).toBe('EVENTS_RATE_LIMITED');
});

test('timeWindow is another name of timeWindowMs, of each limit too; what a limit leaves open comes from above', async () => {
  const open = { maxRequests: undefined, timeWindowMs: HOUR } as object;
  const limits = { 'a.*': { timeWindow: HOUR }, 'b.*': open };
  const { kernel } = await start({ maxRequests: 2, timeWindow: 500, timeWindowMs: 500, onLimit: 'reject', limits });
  for (const [type, waitMs] of [
    ['a.b', HOUR],
    ['b.b', HOUR],
    ['c.b', 500],
  ] as const) {
    await kernel.publishBatch(events(2, type));
    const { retryAfterMs } = await refusal(kernel.publish(type, 1));
    expect(retryAfterMs).toBeGreaterThan(waitMs / 10);
    expect(retryAfterMs).toBeLessThanOrEqual(waitMs + 1);
  }
});

test('disabled, it is not there', async () => {
  const { kernel } = await start({ maxRequests: 1, timeWindowMs: HOUR, onLimit: 'reject', enabled: false });
  await kernel.publishBatch(events(50));
});

test.each<[string, unknown]>([
  ['maxRequests', { maxRequests: 0 }],
  ['timeWindowMs', { timeWindowMs: 1.5 }],
  ['timeWindowMs', { scope: 'shared', timeWindowMs: 20 }],
  ['timeWindow', { timeWindow: 1000, timeWindowMs: 2000 }],
  ['timeWindow', { timeWindow: 0 }],
  ['timeWindow', { limits: { 'a.*': { timeWindow: 1000, timeWindowMs: 2000 } } }],
  ['strategy', { strategy: 'leaky' }],
  ['scope', { scope: 'world' }],
  ['onLimit', { onLimit: 'drop' }],
  ['maxQueued', { maxQueued: -1 }],
  ['maxWaitMs', { maxWaitMs: 0 }],
  ['onStoreError', { onStoreError: 'ajar' }],
  ['enabled', { enabled: 'yes' }],
  ['key', { key: 'tenant' }],
  ['maxRequests', { limits: { 'a.*': { maxRequests: -1 } } }],
  ['options', null],
  ['options', 5],
  ['limits', { limits: null }],
  ['limits', { limits: [] }],
  ['limits', { limits: { 'a.*': null } }],
  ['limits', { limits: { 'a.*': 5 } }],
])('%s: what makes no sense is refused at once', (name, options) => {
  expect(() => rateLimit(options as RateLimitOptions)).toThrow(
    expect.objectContaining({ code: 'EVENTS_CONFIG', message: expect.stringContaining(name) }),
  );
});

test('a limit for what is no pattern is refused', () => {
  expect(() => rateLimit({ limits: { 'a*': {} } })).toThrow(expect.objectContaining({ code: 'EVENTS_INVALID_NAME' }));
});
