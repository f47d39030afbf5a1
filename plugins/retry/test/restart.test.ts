import { randomBytes } from 'node:crypto';
import { redis } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { retry } from '../src/index.ts';
import { reasonsOf, until } from './scene.ts';

const server = await redis();
afterAll(() => server.stop());

test('a consumer that starts anew goes on counting where the last one was', async () => {
  const prefix = `retry-${randomBytes(4).toString('hex')}`;
  const attempts: number[] = [];
  const start = async () => {
    const kernel = createKernel({ service: 'shop', logger: { debug() {}, warn() {}, error() {} } })
      .use(redisStreams({ url: server.url, prefix, leaseMs: 1000, claimIntervalMs: 50 }))
      .use(retry({ maxAttempts: 3, baseDelayMs: 200, backoff: 'fixed', jitter: 'none' }));
    onTestFinished(async () => {
      await kernel.stop(1000);
    });
    const reasons = reasonsOf(kernel);
    await kernel.subscribe('a.*', (_, { attempt }) => {
      attempts.push(attempt);
      throw new Error('no');
    });
    await kernel.start();
    return { kernel, reasons };
  };
  for (let count = 1; count <= 3; count++) {
    const { kernel, reasons } = await start();
    if (count === 1) await kernel.publish('a.b', 1);
    await until(() => attempts.length >= count, `attempt ${count}`);
    await until(() => reasons.length > 0, 'it is settled');
    expect(reasons[0]?.code).toBe(count < 3 ? 'EVENTS_RETRY_SCHEDULED' : 'EVENTS_RETRY_EXHAUSTED');
    await kernel.stop(1000);
  }
  expect(attempts.slice(0, 3)).toEqual([1, 2, 3]);
});
