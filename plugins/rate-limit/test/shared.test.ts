import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { redis } from '@logistically/events-conformance/services';
import { createKernel, type EventBus, type Middleware, type Store, type Transport } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type RateLimitOptions, rateLimit } from '../src/index.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const HOUR = 3_600_000;
const server = await redis();
afterAll(() => server.stop());
const running: EventBus[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((kernel) => kernel.stop(1000)));
});

/** A kernel that shares a limit; `times` takes when each event passed it, ms since the epoch. */
const start = async (
  transport: Transport<{ store: Store }>,
  options: Omit<RateLimitOptions, 'scope'>,
  times: number[] = [],
): Promise<EventBus> => {
  const probe: Middleware = {
    kind: 'middleware',
    name: 'probe',
    publish: {
      stage: 'route',
      layer: (next) => (batch, settle) => {
        for (const _ of batch) times.push(Date.now());
        next(batch, settle);
      },
    },
  };
  const kernel = createKernel({ service: 'shop', logger: silent })
    .use(transport)
    .use(rateLimit({ ...options, scope: 'shared' }))
    .use(probe);
  running.push(kernel);
  await kernel.start();
  return kernel;
};
const onRedis = () => {
  const prefix = `limit-${randomBytes(4).toString('hex')}`;
  return () => redisStreams({ url: server.url, prefix });
};
const events = (count: number) => Array.from({ length: count }, (_, body) => ({ type: 'a.b', body }));

describe.each(['sliding-window', 'token-bucket'] as const)('two kernels share a %s on Redis', (strategy) => {
  test('and together they stay below it', async () => {
    const handle = onRedis();
    const times: number[] = [];
    const limit = { maxRequests: 20, timeWindowMs: 400, strategy };
    const kernels = [await start(handle(), limit, times), await start(handle(), limit, times)];
    await Promise.all(
      kernels.flatMap((kernel) => [
        kernel.publishBatch(events(20)),
        ...events(15).map(({ body }) => kernel.publish('a.b', body)),
      ]),
    );
    expect(times).toHaveLength(70);
    // What is fetched of a bucket may be used up to a tenth of the window later. The clock has whole milliseconds.
    const most = strategy === 'token-bucket' ? 20 + 20 + 2 : 20;
    for (const begin of times) {
      const together = times.filter((time) => time >= begin && time < begin + 398).length;
      expect(together).toBeLessThanOrEqual(most);
    }
  });

  test('and what one has used up the other is refused, until it may', async () => {
    const handle = onRedis();
    const limit = { maxRequests: 10, timeWindowMs: 1000, strategy, onLimit: 'reject' } as const;
    const [one, two] = [await start(handle(), limit), await start(handle(), limit)];
    await one.publishBatch(events(10));
    const { code, retryAfterMs } = await two.publish('a.b', 1).catch((thrown) => thrown);
    expect(code).toBe('EVENTS_RATE_LIMITED');
    await sleep(retryAfterMs);
    await two.publish('a.b', 1);
  });
});

test('one call of the store serves many events', async () => {
  let calls = 0;
  const transport = memory();
  const { store } = transport.capabilities;
  const increment: Store['increment'] = (...given) => {
    calls++;
    return store.increment(...given);
  };
  const counting = { ...transport, capabilities: { ...transport.capabilities, store: { ...store, increment } } };
  const kernel = await start(counting, { maxRequests: 100_000, timeWindowMs: HOUR });
  for (const { body } of events(1000)) await kernel.publish('a.b', body);
  expect(calls).toBe(1);
});

/** A transport whose store fails, or hangs. */
const without = (answer: () => Promise<never>) => {
  const transport = memory();
  const store = { ...transport.capabilities.store, increment: answer, get: answer, compareAndSet: answer };
  return { ...transport, capabilities: { ...transport.capabilities, store } };
};
const down = () => without(() => Promise.reject(new Error('the store is down')));

describe.each(['sliding-window', 'token-bucket'] as const)('when the store of a %s fails', (strategy) => {
  test('all pass, and it is told', async () => {
    const kernel = await start(down(), { maxRequests: 2, timeWindowMs: HOUR, strategy });
    const told: unknown[] = [];
    kernel.on('error', (error) => told.push(error));
    await kernel.publishBatch(events(10));
    expect(told).toEqual([{ source: 'rate-limit', reason: new Error('the store is down') }]);
  });

  test('closed, none pass', async () => {
    const options = { strategy, onStoreError: 'closed', onLimit: 'reject' } as const;
    const kernel = await start(down(), options);
    const { code, retryAfterMs } = await kernel.publish('a.b', 1).catch((thrown) => thrown);
    expect(code).toBe('EVENTS_RATE_LIMITED');
    expect(retryAfterMs).toBeGreaterThan(100);
  });
});

test('a store that never answers holds nobody longer than maxWaitMs, nor beyond stop', async () => {
  const kernel = await start(
    without(() => new Promise(() => {})),
    { maxWaitMs: 50 },
  );
  expect(await kernel.publish('a.b', 1).catch(({ code }) => code)).toBe('EVENTS_RATE_LIMITED');
  const waiting = kernel.publish('a.b', 2).catch(({ code }) => code);
  expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  expect(await waiting).toBe('EVENTS_RATE_LIMITED');
});

test('a shared limit needs a transport with a store, and says so; any other does not', async () => {
  const bare: Transport<object> = { ...memory(), capabilities: {} };
  const poor = createKernel({ service: 'shop' }).use(bare);
  const limit = rateLimit({ scope: 'shared' });
  // @ts-expect-error the transport has no store
  poor.use(limit);
  await expect(poor.start()).rejects.toMatchObject({
    code: 'EVENTS_MISSING_CAPABILITY',
  });
  const other = createKernel({ service: 'shop' }).use(bare).use(rateLimit());
  running.push(other);
  await other.start();
});
