import { type RedisService, redis, spawnWorker, type WorkerProcess } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, test } from 'vitest';
import type { ConsumerPlan, ConsumerReport, Stop } from './consumer-worker.ts';
import { until } from './node.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const COUNT = 300;

const startConsumer = async (plan: ConsumerPlan): Promise<WorkerProcess> => {
  const worker = spawnWorker(new URL('./consumer-worker.ts', import.meta.url), [JSON.stringify(plan)]);
  await worker.next<ConsumerReport>(({ at }) => at === 'ready');
  return worker;
};
const startProducer = async ({ url }: RedisService) => {
  const kernel = createKernel({ service: 'producer', logger: silent }).use(redisStreams({ url }));
  await kernel.start();
  return { kernel, [Symbol.asyncDispose]: async () => void (await kernel.stop()) };
};
const began = ({ messages }: WorkerProcess): number[] =>
  (messages as ConsumerReport[]).filter(({ at }) => at === 'began').map(({ n }) => n);
const effectsOf = async ({ cli }: RedisService): Promise<Map<number, number>> => {
  const flat = ((await cli('HGETALL', 'effects')) as string[]).map(Number);
  return new Map(
    Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at] as number, flat[2 * at + 1] as number]),
  );
};
/** Everything is acknowledged: nothing more will come. */
const settled = async ({ cli }: RedisService): Promise<boolean> => {
  const stream = ((await cli('KEYS', '*order-events*')) as string[]).sort((a, b) => a.length - b.length);
  for (const key of stream) {
    if ((await cli('TYPE', key)) !== 'stream') continue;
    const pending = (await cli('XPENDING', key, 'shop')) as unknown[];
    const [group] = (await cli('XINFO', 'GROUPS', key)) as unknown[][];
    const lag = group?.[group.indexOf('lag') + 1];
    if (Number(pending[0]) > 0 || Number(lag) > 0) return false;
  }
  return stream.length > 0;
};

describe.concurrent('a process killed', () => {
  test.each<[Stop, number]>([
    ['claim-effect', 1],
    ['done-settle', 1],
    // The window that claims cannot close: nothing tells whether the effect was there.
    ['effect-done', 2],
  ])('between %s: the survivor takes over, the effect is there %i time(s)', async (stop, times) => {
    await using server = await redis({ exclusive: true });
    await using producer = await startProducer(server);
    await using doomed = await startConsumer({ url: server.url, concurrency: 1, stop });
    await producer.kernel.publish('order.placed', { n: 1 });
    await doomed.next<ConsumerReport>(({ at }) => at === 'stopped');
    await using _survivor = await startConsumer({ url: server.url, concurrency: 1 });
    doomed.kill('SIGKILL');
    await doomed.exit;
    await until(() => settled(server), 'the survivor has settled it');
    expect(await effectsOf(server)).toEqual(new Map([[1, times]]));
  });

  test(`while two producers publish the same ${COUNT} keys: no effect is lost, none doubled but those it was at`, async () => {
    await using server = await redis({ exclusive: true });
    await using one = await startProducer(server);
    await using two = await startProducer(server);
    const concurrency = 5;
    await using doomed = await startConsumer({ url: server.url, concurrency });
    await using _survivor = await startConsumer({ url: server.url, concurrency });
    const numbers = Array.from({ length: COUNT }, (_, n) => n);
    const published = [one, two].map(async ({ kernel }) => {
      for (const n of numbers) await kernel.publish('order.placed', { n });
    });
    await until(() => began(doomed).length > COUNT / 5, 'it is in the middle');
    doomed.kill('SIGKILL');
    await doomed.exit;
    await Promise.all(published);
    await until(() => settled(server), 'all is settled', 20_000);
    const effects = await effectsOf(server);
    expect([...effects.keys()].sort((a, b) => a - b)).toEqual(numbers);
    const doubled = [...effects].filter(([, times]) => times > 1).map(([n]) => n);
    expect(doubled.length).toBeLessThanOrEqual(concurrency);
    expect(began(doomed).slice(-2 * concurrency)).toEqual(expect.arrayContaining(doubled));
  });
});
