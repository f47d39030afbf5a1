import { randomBytes } from 'node:crypto';
import { check, createHistory } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import { redisStreams } from '@logistically/events-redis-streams';
import { expect, test } from 'vitest';
import { start } from './cli-process.ts';
import { buryMany, heard, startNode, until } from './scene.ts';

const SHORT = { leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 2000 } as const;
const LETTERS = 10_000;

test('a server without memory keeps the event pending; with memory it becomes a dead letter', async () => {
  await using server = await redis({ exclusive: true, args: ['--maxmemory-policy', 'noeviction'] });
  const kernel = await startNode({ maxAttempts: 1, retryMs: 100 }, redisStreams({ url: server.url, ...SHORT }));
  const failed = heard(kernel, 'failed');
  let fail = (): void => {};
  const gate = new Promise<void>((resolve) => {
    fail = resolve;
  });
  let calls = 0;
  await kernel.subscribe('order.placed', async () => {
    calls++;
    await gate;
    throw new Error('no');
  });
  await kernel.publish('order.placed', { id: 7 });
  await until(() => calls === 1, 'it is being handled');
  await server.cli('CONFIG', 'SET', 'maxmemory', '1');
  fail();
  await until(() => failed.length > 0, 'it cannot be stored');
  expect(failed[0]?.reason).toMatchObject({ code: 'EVENTS_DLQ_NOT_STORED' });
  expect((await kernel.dlq.stats()).depth).toBe(0);
  await server.cli('CONFIG', 'SET', 'maxmemory', '0');
  await until(async () => (await kernel.dlq.stats()).depth === 1, 'it is stored');
  expect((await kernel.dlq.list()).letters).toMatchObject([
    { envelope: { body: { id: 7 } }, error: { message: 'no' } },
  ]);
});

test('10 000 are redriven by the CLI, which is killed three times: none lost, none doubled', {
  timeout: 90_000,
}, async () => {
  await using server = await redis();
  const prefix = `dlq-${randomBytes(4).toString('hex')}`;
  const transport = redisStreams({ url: server.url, prefix, ...SHORT });
  const kernel = await startNode({}, transport);
  const history = createHistory();
  for (const id of await buryMany(kernel, LETTERS)) history.record({ fact: 'publish', id });
  await kernel.subscribe(
    'order.placed',
    ({ header: { id } }) => {
      history.record({ fact: 'deliver', id, group: 'shop', consumer: 'one' });
      history.record({ fact: 'settle', id, group: 'shop', consumer: 'one' });
    },
    { concurrency: 500 },
  );
  const depth = async (): Promise<number> =>
    (await transport.capabilities.inspect.topic('dlq:order-events')).partitions[0]?.length ?? 0;
  const redrive = () => start(['redrive', '--all', '--json', '--prefix', prefix], { EVENTS_DLQ_URL: server.url });
  let left = LETTERS;
  for (const share of [500, 1000, 1500]) {
    const killed = redrive();
    await until(async () => (await depth()) <= left - share, `${share} of ${left} are sent again`);
    killed.kill('SIGKILL');
    expect(await killed.exit).toMatchObject({ signal: 'SIGKILL', out: '' });
    left = await depth();
    expect(left).toBeGreaterThan(0);
  }
  const last = await redrive().exit;
  expect(last).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(last.out)).toMatchObject({ redriven: left, gone: 0, refused: 0, failed: 0, stopped: false });
  await until(() => check(history).done === LETTERS, 'all are handled');
  expect(check(history)).toMatchObject({ ok: true, lost: { count: 0 }, duplicated: { count: 0 } });
  expect((await kernel.dlq.stats()).depth).toBe(0);
});
