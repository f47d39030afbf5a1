import { type RedisService, redis, spawnWorker, type WorkerProcess } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, test } from 'vitest';
import type { ConsumerPlan, ConsumerReport } from './consumer-worker.ts';
import { quiet, until } from './scene.ts';

const RETRIES = 'events:{order-events:0}:order-events|retries|shop';
const DELAY_MS = 2000;
const MAX_ATTEMPTS = 4;

const startConsumer = async (plan: Omit<ConsumerPlan, 'maxAttempts'>): Promise<WorkerProcess> => {
  const given: ConsumerPlan = { ...plan, maxAttempts: MAX_ATTEMPTS };
  const worker = spawnWorker(new URL('./consumer-worker.ts', import.meta.url), [JSON.stringify(given)]);
  await worker.next<ConsumerReport>(({ at }) => at === 'ready');
  return worker;
};
const attemptOf = (worker: WorkerProcess, attempt: number): Promise<ConsumerReport> =>
  worker.next<ConsumerReport>((report) => report.at === 'began' && report.attempt === attempt);
const begun = ({ messages }: WorkerProcess): number[] =>
  (messages as ConsumerReport[]).filter(({ at }) => at === 'began').map(({ attempt }) => attempt);

const publishTo = async ({ url }: RedisService): Promise<void> => {
  const kernel = createKernel({ service: 'producer', logger: quiet }).use(redisStreams({ url }));
  await kernel.start();
  await kernel.publish('order.placed', 1);
  await kernel.stop();
};
/** When the one event that waits is due, ms since the epoch. */
const dueAt = async ({ cli }: RedisService): Promise<number | undefined> => {
  const [, due] = (await cli('ZRANGE', RETRIES, '0', '-1', 'WITHSCORES')) as string[];
  return due === undefined ? undefined : Number(due);
};
const kill = async (worker: WorkerProcess): Promise<void> => {
  worker.kill('SIGKILL');
  await worker.exit;
};

/** What happens to the server between the two consumers. */
const falls: readonly (readonly [string, (server: RedisService) => Promise<void>])[] = [
  ['and the server stays', async () => {}],
  ['and the server is restarted', (server) => server.restart()],
  [
    'and the server is killed',
    async (server) => {
      await server.kill();
      await server.start();
    },
  ],
];

describe.concurrent.each(falls)('a process is killed %s', (_, fall) => {
  const durable = (): Promise<RedisService> => redis({ exclusive: true, appendonly: true, appendfsync: 'always' });

  test('in the middle of its second attempt: the next process goes on with the third', async () => {
    await using server = await durable();
    await using doomed = await startConsumer({ url: server.url, delayMs: 1, hangsAt: 2 });
    await publishTo(server);
    await attemptOf(doomed, 2);
    await kill(doomed);
    await fall(server);
    await using survivor = await startConsumer({ url: server.url, delayMs: 1 });
    const last = await survivor.next<ConsumerReport>(({ at, attempt }) => at === 'failed' && attempt === MAX_ATTEMPTS);
    expect(last.code).toBe('EVENTS_RETRY_EXHAUSTED');
    expect([...begun(doomed), ...begun(survivor).slice(0, 2)]).toEqual([1, 2, 3, 4]);
  });

  test('while the third attempt waits: the next process makes it, and not before its time', async () => {
    await using server = await durable();
    await using doomed = await startConsumer({ url: server.url, delayMs: DELAY_MS });
    await publishTo(server);
    const { time } = await attemptOf(doomed, 2);
    await until(async () => Number(await dueAt(server)) >= time + DELAY_MS, 'the third is scheduled');
    await kill(doomed);
    const due = Number(await dueAt(server));
    await fall(server);
    await using survivor = await startConsumer({ url: server.url, delayMs: DELAY_MS });
    const third = await attemptOf(survivor, 3);
    expect(third.time).toBeGreaterThanOrEqual(due);
    expect([...begun(doomed), ...begun(survivor)]).toEqual([1, 2, 3]);
  });
});
