import { randomBytes } from 'node:crypto';
import { sharedRedis } from '@logistically/events-conformance/services';
import { createKernel, EventsError, type Kernel, type Middleware, type Transport } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type RetryOptions, retry } from '../src/index.ts';
import { quiet, reasonsOf, until } from './scene.ts';

const FAST: RetryOptions = { maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 5 };

/** What makes a handle of one broker for each process that comes and goes. */
const brokers: readonly (readonly [string, () => Promise<() => Transport>])[] = [
  [
    'memory',
    async () => {
      const broker = memory({ redeliverMs: 5 });
      return () => broker;
    },
  ],
  [
    'redis-streams',
    async () => {
      const { url } = await sharedRedis();
      const prefix = `retry-stop-${randomBytes(4).toString('hex')}`;
      return () => redisStreams({ url, prefix, leaseMs: 2000, claimIntervalMs: 20 });
    },
  ],
];

describe.each(brokers)('on %s', (_, broker) => {
  /** One process after the other. */
  const service = async (options: RetryOptions, ...middlewares: Middleware[]): Promise<() => Kernel> => {
    const handle = await broker();
    return () => {
      const kernel = createKernel({ service: 'shop', logger: quiet }).use(handle()).use(retry(options));
      for (const middleware of middlewares) kernel.use(middleware);
      onTestFinished(async () => void (await kernel.stop(300)));
      return kernel;
    };
  };

  test('five stops in a row use up none of three attempts', async () => {
    const next = await service(FAST);
    const attempts: number[] = [];
    for (let stops = 1; stops <= 5; stops++) {
      const kernel = next();
      await kernel.subscribe('a.*', (_event, { attempt, signal }) => {
        attempts.push(attempt);
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      });
      await kernel.start();
      if (stops === 1) await kernel.publish('a.b', 1);
      await until(() => attempts.length === stops, `its handler, for the ${stops}. time`);
      expect(await kernel.stop(300)).toEqual({ unsettled: 0, unpublished: 0 });
    }
    const kernel = next();
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', (_event, { attempt }) => {
      attempts.push(attempt);
      throw new Error('no');
    });
    await kernel.start();
    await until(() => reasons.some(({ permanent }) => permanent), 'it is given up');
    expect(attempts.slice(0, 8)).toEqual([1, 1, 1, 1, 1, 1, 2, 3]);
  });

  test('what a circuit held comes back as the attempt that it was', async () => {
    const next = await service({ ...FAST, circuit: { minimumCalls: 1, windowMs: 60_000, halfOpenAfterMs: 600_000 } });
    const kernel = next();
    const begun: string[] = [];
    await kernel.subscribe(
      'a.*',
      ({ body }) => {
        begun.push(`${body}`);
        throw new Error('down');
      },
      { concurrency: 2 },
    );
    await kernel.start();
    await kernel.publish('a.b', 'opens it');
    await until(async () => !(await kernel.health()).healthy, 'it is open');
    await kernel.publish('a.b', 'held');
    await until(() => kernel.stats().inFlight === 2, 'it holds two');
    await kernel.stop(300);
    expect(begun).toEqual(['opens it']);

    const second = next();
    const attempts = new Map<unknown, number>();
    await second.subscribe('a.*', ({ body }, { attempt }) => void attempts.set(body, attempt));
    await second.start();
    await until(() => attempts.size === 2, 'both are handled');
    expect([...attempts].sort()).toEqual([
      ['held', 1],
      ['opens it', 2],
    ]);
  });

  test('a reason that does not count passes as it is, and comes back as the same attempt', async () => {
    const busy = new EventsError('EVENTS_IDEMPOTENCY_BUSY', 'At work.', { retryAfterMs: 1, uncounted: true });
    let left = 4;
    const kernel = (
      await service(
        { ...FAST, maxAttempts: 2 },
        {
          kind: 'middleware',
          name: 'busy',
          consume: {
            stage: 'once',
            layer: (next) => (batch, settle) => {
              // Twice on the first attempt, twice on the last.
              if (left === 4 || left === 3 || (batch[0]?.attempt === 2 && left > 0)) {
                left--;
                for (const each of batch) settle(each, busy);
              } else next(batch, settle);
            },
          },
        },
      )
    )();
    const reasons = reasonsOf(kernel);
    const attempts: number[] = [];
    await kernel.subscribe('a.*', (_event, { attempt }) => {
      attempts.push(attempt);
      throw new Error('no');
    });
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => reasons.some(({ permanent }) => permanent), 'it is given up');
    expect(attempts.slice(0, 2)).toEqual([1, 2]);
    expect(reasons.filter((reason) => reason === busy)).toHaveLength(4);
  });

  test('a handler that fails by itself while the service stops has used up its attempt', async () => {
    const next = await service({ ...FAST, maxAttempts: 1 });
    const kernel = next();
    const reasons = reasonsOf(kernel);
    let fail = (): void => {};
    await kernel.subscribe(
      'a.*',
      () =>
        new Promise((_resolve, reject) => {
          fail = () => reject(new Error('no'));
        }),
    );
    await kernel.start();
    await kernel.publish('a.b', 1);
    await until(() => kernel.stats().inFlight === 1, 'its handler');
    kernel.on('stopping', () => fail());
    await kernel.stop(5000);
    expect(reasons.map(({ code }) => code)).toEqual(['EVENTS_RETRY_EXHAUSTED']);
  });
});
