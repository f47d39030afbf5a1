import { randomBytes, randomInt } from 'node:crypto';
import { redis, spawnWorker, type WorkerProcess } from '@logistically/events-conformance/services';
import { createKernel, type LogEntry } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe, expect, test } from 'vitest';
import { idempotency } from '../src/index.ts';
import { until } from './node.ts';
import type { ProducerPlan, ProducerReport, ProducerStop } from './producer-worker.ts';

const server = await redis();
afterAll(() => server.stop());

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const KEYS = 200;
const PRODUCERS = 3;
const KILLS = 5;
const PAGE = 100;

type Finish = (end: () => Promise<void>) => void;

/** A topic of one test alone, with a consumer that drops what is stored twice. */
const scene = async (finish: Finish) => {
  const prefix = `produce-${randomBytes(4).toString('hex')}`;
  const transport = redisStreams({ url: server.url, prefix });
  const consumer = createKernel({ service: 'shop', logger: silent })
    .use(transport)
    .use(idempotency({ by: ({ body }) => `order-${(body as { n: number }).n}` }));
  await consumer.start();
  finish(async () => void (await consumer.stop()));
  const handled: number[] = [];
  await consumer.subscribe('order.*', ({ body }) => void handled.push((body as { n: number }).n), { concurrency: 20 });
  const produce = (plan: Partial<ProducerPlan>): WorkerProcess => {
    // Longer than a process on a busy machine stands still: a claim that lapses is another story.
    const whole: ProducerPlan = { url: server.url, prefix, keys: 1, concurrency: 1, leaseMs: 3000, ...plan };
    const worker = spawnWorker(new URL('./producer-worker.ts', import.meta.url), [JSON.stringify(whole)]);
    finish(() => worker.stop());
    return worker;
  };
  /** How often each key is stored. */
  const stored = async (): Promise<Map<number, number>> => {
    const times = new Map<number, number>();
    let page: readonly LogEntry[] = [];
    do {
      page = await transport.capabilities.log.read('order-events', { from: page.at(-1)?.cursor ?? 'earliest' });
      for (const { payload } of page) {
        const { n } = JSON.parse(payload.toString()).body as { n: number };
        times.set(n, (times.get(n) ?? 0) + 1);
      }
    } while (page.length === PAGE);
    return times;
  };
  const dropped = (): number => consumer.idempotency.stats().duplicates;
  return { produce, stored, handled, dropped };
};
const kill = async (worker: WorkerProcess): Promise<void> => {
  worker.kill('SIGKILL');
  await worker.exit;
};
const told = ({ messages }: WorkerProcess, what: ProducerReport['at']): number[] =>
  (messages as ProducerReport[]).filter(({ at }) => at === what).map(({ key }) => key ?? -1);
const finished = ({ next }: WorkerProcess): Promise<ProducerReport> =>
  next<ProducerReport>(({ at }) => at === 'finished', 90_000);

describe.concurrent('a producer killed', () => {
  test.for<[ProducerStop, number]>([
    ['claim-store', 1],
    // The window that claims cannot close: nothing tells whether the event was stored.
    ['store-remember', 2],
  ])(
    'between %s: another one stores the key; it is there %i time(s), and handled once',
    async ([stop, times], { onTestFinished }) => {
      const { produce, stored, handled, dropped } = await scene(onTestFinished);
      const doomed = produce({ stop, leaseMs: 500 });
      await doomed.next<ProducerReport>(({ at }) => at === 'stopped', 60_000);
      await kill(doomed);
      await finished(produce({ leaseMs: 500 }));
      expect(await stored()).toEqual(new Map([[0, times]]));
      await until(() => handled.length + dropped() === times, 'all that is stored is settled');
      expect(handled).toEqual([0]);
    },
  );

  test(`${KILLS} times at random, of ${PRODUCERS} that publish the same ${KEYS} keys: each is stored, twice only what a dead one was at`, async ({
    onTestFinished,
  }) => {
    const { produce, stored, handled, dropped } = await scene(onTestFinished);
    const plan = { keys: KEYS, concurrency: 4 };
    const workers = Array.from({ length: PRODUCERS }, () => produce(plan));
    const atDeath: number[] = [];
    for (let killed = 0; killed < KILLS; killed++) {
      const worker = workers.shift() as WorkerProcess;
      const enough = randomInt(1, KEYS / 4);
      await until(() => told(worker, 'stored').length >= enough, 'it is at work', 60_000);
      await kill(worker);
      const done = told(worker, 'stored');
      atDeath.push(...told(worker, 'sends').filter((key) => !done.includes(key)));
      workers.push(produce(plan));
    }
    await Promise.all(workers.map(finished));
    const times = await stored();
    expect([...times.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: KEYS }, (_, n) => n));
    for (const [key, count] of times)
      expect(count, `key ${key}`).toBeLessThanOrEqual(1 + atDeath.filter((each) => each === key).length);
    const entries = [...times.values()].reduce((sum, count) => sum + count, 0);
    await until(() => handled.length + dropped() === entries, 'all that is stored is settled', 30_000);
    expect(handled.sort((a, b) => a - b)).toEqual([...times.keys()].sort((a, b) => a - b));
  }, 120_000);
});
