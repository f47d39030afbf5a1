import { randomBytes } from 'node:crypto';
import { sharedRedis } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { expect, onTestFinished, test } from 'vitest';
import { buryMany, counted, quiet, startNode } from './scene.ts';

const redisAt = async (prefix: string) => redisStreams({ url: (await sharedRedis()).url, prefix });

test('where cursors are times, a letter is read from its place on', async () => {
  const prefix = `dlq-lookup-${randomBytes(4).toString('hex')}`;
  const writer = await startNode({}, await redisAt(prefix));
  await buryMany(writer, 3000);
  const { letters } = await writer.dlq.list({ limit: 3000 });
  const { transport, count } = counted(await redisAt(prefix), 100);
  const kernel = await startNode({}, transport);
  for (const letter of [letters[0], letters[1500], letters[2999]])
    expect(await kernel.dlq.get(letter?.id as string)).toEqual(letter);
  // Entries of one millisecond are read in the order that they have.
  expect(count.entries).toBeLessThan(1500);
  const chosen = [letters[2999], letters[10], letters[10], letters[2000]].map((letter) => letter?.id as string);
  const report = await kernel.dlq.purge({ ids: chosen });
  expect(report).toMatchObject({ purged: 3, gone: 0 });
  for (const id of chosen) expect(await kernel.dlq.get(id)).toBeUndefined();
  count.entries = 0;
  for (const gone of ['0-1', '9999999999999-0', '12'])
    expect(await kernel.dlq.get(`dlq:order-events/0/${gone}`)).toBeUndefined();
  expect(count.entries).toBeLessThan(100);
  expect(await kernel.dlq.get('dlq:none-events/0/1-1')).toBeUndefined();
});

test('an entry that was written by hand with an absurd time is a letter like any other', async () => {
  const prefix = `dlq-lookup-${randomBytes(4).toString('hex')}`;
  const kernel = await startNode({}, await redisAt(prefix));
  await buryMany(kernel, 1);
  const { cli } = await sharedRedis();
  await cli('XADD', `${prefix}:{order-events:0}:dlq:order-events`, '9999999999999999-1', 'foo', 'bar');
  const { letters } = await kernel.dlq.list();
  expect(letters).toMatchObject([{ type: 'order.placed' }, { failedAt: '9999-12-31T23:59:59.999Z' }]);
  expect(await kernel.dlq.stats()).toMatchObject({ depth: 2, oldest: letters[0]?.failedAt });
  expect(await kernel.dlq.get(letters[1]?.id as string)).toEqual(letters[1]);
  expect(await kernel.dlq.purge({ ids: [letters[1]?.id as string] })).toMatchObject({ purged: 1 });
  expect(await kernel.dlq.purge({ filter: {} })).toMatchObject({ purged: 1 });
});

test('where they are not, 100 000 entries are looked at, and what may lie behind them is not called gone', async () => {
  const transport = memory({ maxRetained: 200_000 });
  const writer = createKernel({ service: 'writer', logger: quiet, topics: { topicOf: () => 'dlq:order-events' } }).use(
    transport,
  );
  onTestFinished(async () => {
    await writer.stop();
  });
  await writer.start();
  await writer.publishBatch(Array.from({ length: 100_001 }, (_, n) => ({ type: 'order.placed', body: n })));
  const kernel = await startNode({}, transport);
  expect((await kernel.dlq.get('dlq:order-events/0/99999'))?.envelope?.body).toBe(99_998);
  await expect(kernel.dlq.get('dlq:order-events/0/100001')).rejects.toMatchObject({ code: 'EVENTS_DLQ_TOO_DEEP' });
});
