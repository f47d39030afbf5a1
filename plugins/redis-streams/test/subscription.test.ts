import { type RedisService, redis } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redisStreams } from '../src/index.ts';
import { until } from './until.ts';

let server: RedisService;
beforeAll(async () => {
  server = await redis({ exclusive: true });
});
afterAll(() => server.stop());

test('one that replaces another in the same moment is read', async () => {
  const kernel = await createKernel({ service: 'replaced' })
    .use(redisStreams({ url: server.url }))
    .start();
  const seen: unknown[] = [];
  let current = await kernel.subscribe('swap.x', ({ body }) => seen.push(body));
  for (let round = 0; round < 20; round++) {
    const [next] = await Promise.all([
      kernel.subscribe('swap.x', ({ body }) => seen.push(body)),
      current.unsubscribe(),
    ]);
    current = next;
    await kernel.publish('swap.x', round);
    await until(() => seen.length === round + 1, 'the replacement reads');
  }
  expect(seen).toEqual(Array.from({ length: 20 }, (_, round) => round));
  await kernel.stop();
});

test('order holds also when the server does not know the script of a batch', async () => {
  for (let round = 0; round < 5; round++) {
    const kernel = await createKernel({ service: `fresh${round}` })
      .use(redisStreams({ url: server.url, prefix: `o${round}` }))
      .start();
    const seen: unknown[] = [];
    await kernel.subscribe('fresh.x', ({ body }) => seen.push(body));
    await server.cli('SCRIPT', 'FLUSH');
    const published = [kernel.publish('fresh.x', 1), kernel.publish('fresh.x', 2)];
    await Promise.resolve();
    await Promise.resolve();
    published.push(kernel.publish('fresh.x', 3));
    await Promise.all(published);
    await until(() => seen.length === 3, 'all three');
    expect(seen).toEqual([1, 2, 3]);
    await kernel.stop();
  }
});

test('a second kernel on a transport that is taken is refused, and the first goes on', async () => {
  const transport = redisStreams({ url: server.url, prefix: 'taken' });
  const first = await createKernel({ service: 'first' }).use(transport).start();
  await expect(createKernel({ service: 'second' }).use(transport).start()).rejects.toThrow('open already');
  await first.publish('taken.x', 1);
  expect(await first.health()).toEqual({ healthy: true, problems: [] });
  await first.stop();
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, 'soon'])(
  'a reason that asks for a retry after %s comes back by the usual wait',
  async (retryAfterMs) => {
    const kernel = createKernel({ service: 'waits', logger: { debug() {}, warn() {}, error() {} } });
    const bus = await kernel
      .use(redisStreams({ url: server.url, redeliverMs: 10, prefix: `w${String(retryAfterMs)}` }))
      .start();
    const attempts: number[] = [];
    await bus.subscribe('wait.x', (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw Object.assign(new Error('later'), { retryAfterMs });
    });
    await bus.publish('wait.x', 1);
    await until(() => attempts.length === 2, 'the second attempt');
    await bus.stop();
  },
);

test.each(['length', 'push', 1.5, -1])('partition %s is refused', async (partition) => {
  const kernel = await createKernel({ service: 'odd' })
    .use(redisStreams({ url: server.url, prefix: 'odd' }))
    .start();
  await expect(kernel.publish('odd.x', 1, { partition: partition as number })).rejects.toMatchObject({
    code: expect.stringMatching(/PARTITION|CONFIG/),
  });
  await kernel.stop();
});
