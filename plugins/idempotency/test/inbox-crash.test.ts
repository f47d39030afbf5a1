import { randomBytes, randomInt } from 'node:crypto';
import { postgres, redis, spawnWorker, type WorkerProcess } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { Pool } from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { postgresInbox } from '../src/index.ts';
import type { InboxPlan, InboxReport, InboxStop } from './inbox-worker.ts';
import { until } from './node.ts';

const [broker, database] = await Promise.all([redis(), postgres()]);
const pool = new Pool({ connectionString: database.url });
pool.on('error', () => {});
afterAll(async () => {
  await pool.end();
  await Promise.all([broker.stop(), database.stop()]);
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const FEW = 4;
const MANY = 300;
const KILLS = 6;

type Finish = (end: () => Promise<void>) => void;

/** A broker's topic, an inbox and a table of effects, of one test alone. */
const scene = async (feature: boolean, finish: Finish) => {
  const suffix = randomBytes(4).toString('hex');
  const names = { prefix: `inbox-${suffix}`, table: `inbox_${suffix}`, effects: `effects_${suffix}` };
  await postgresInbox({ table: names.table }).create(pool);
  await pool.query(`CREATE TABLE ${names.effects} (n int)`);
  const transport = redisStreams({ url: broker.url, prefix: names.prefix });
  const producer = createKernel({ service: 'producer', logger: silent }).use(transport);
  await producer.start();
  finish(async () => void (await producer.stop()));
  const consume = async (concurrency: number, stop?: InboxStop): Promise<WorkerProcess> => {
    const urls = { redisUrl: broker.url, postgresUrl: database.url };
    const plan: InboxPlan = { ...urls, ...names, feature, concurrency, ...(stop && { stop }) };
    const worker = spawnWorker(new URL('./inbox-worker.ts', import.meta.url), [JSON.stringify(plan)]);
    finish(() => worker.stop());
    await worker.next<InboxReport>(({ at }) => at === 'ready', 60_000);
    return worker;
  };
  /** Everything is acknowledged: nothing more will come. */
  const settled = async (): Promise<boolean> => {
    const { partitions } = await transport.capabilities.inspect.topic('order-events');
    const groups = partitions.flatMap((each) => each.groups);
    return groups.length > 0 && groups.every(({ lag, pending }) => lag === 0 && pending === 0);
  };
  /** How often each effect is there. */
  const effects = async (): Promise<Record<string, number>> => {
    const { rows } = await pool.query(`SELECT n, count(*)::int AS times FROM ${names.effects} GROUP BY n ORDER BY n`);
    return Object.fromEntries(rows.map(({ n, times }) => [n, times]));
  };
  return { producer, consume, settled, effects };
};
const once = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [n, 1]));
const kill = async (worker: WorkerProcess): Promise<void> => {
  worker.kill('SIGKILL');
  await worker.exit;
};

describe.concurrent.each([
  ['alone', false],
  ['beside the feature', true],
])('an inbox %s', (_, feature) => {
  test.for<InboxStop>(['claim-begin', 'begin-record', 'record-effect', 'effect-commit', 'commit-settle'])(
    'a process killed between %s: the survivor takes over, every effect is there once',
    async (stop, { onTestFinished }) => {
      const { producer, consume, settled, effects } = await scene(feature, onTestFinished);
      const doomed = await consume(1, stop);
      await producer.publishBatch(Array.from({ length: FEW }, (_, n) => ({ type: 'order.placed', body: { n } })));
      await doomed.next<InboxReport>(({ at }) => at === 'stopped');
      const before = await effects();
      expect(before).toEqual(stop === 'commit-settle' ? once(1) : {});
      await consume(1);
      await kill(doomed);
      await until(settled, 'the survivor has settled all', 30_000);
      expect(await effects()).toEqual(once(FEW));
    },
  );

  test('a process killed after it has settled: nothing comes again', async ({ onTestFinished }) => {
    const { producer, consume, settled, effects } = await scene(feature, onTestFinished);
    const doomed = await consume(1);
    await producer.publish('order.placed', { n: 0 });
    await until(async () => (await settled()) && (await effects())[0] === 1, 'it is settled');
    await kill(doomed);
    await consume(1);
    await producer.publish('order.placed', { n: 1 });
    await until(async () => (await settled()) && (await effects())[1] === 1, 'the next one is settled');
    expect(await effects()).toEqual(once(2));
  });

  test(`${KILLS} processes killed at random while ${MANY} keys are published twice: every effect is there once`, async ({
    onTestFinished,
  }) => {
    const { producer, consume, settled, effects } = await scene(feature, onTestFinished);
    const workers = await Promise.all([consume(5), consume(5)]);
    const publish = async (): Promise<void> => {
      for (let n = 0; n < MANY; n++) await producer.publish('order.placed', { n });
    };
    const published = Promise.all([publish(), publish()]);
    for (let killed = 0; killed < KILLS; killed++) {
      const worker = workers.shift() as WorkerProcess;
      const handled = randomInt(1, 20);
      await until(
        async () => worker.messages.length > handled || Object.keys(await effects()).length === MANY,
        'it is at work',
        30_000,
      );
      await kill(worker);
      workers.push(await consume(5));
    }
    await published;
    await until(settled, 'all is settled', 60_000);
    expect(await effects()).toEqual(once(MANY));
  }, 120_000);
});
