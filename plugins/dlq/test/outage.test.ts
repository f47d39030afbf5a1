import { setTimeout as sleep } from 'node:timers/promises';
import { redis, sharedRedis } from '@logistically/events-conformance/services';
import { EventsError, type Handoff } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { expect, test } from 'vitest';
import { start } from './cli-process.ts';
import { buryMany, heard, startNode, until } from './scene.ts';

const TIMEOUT = 'EVENTS_REDIS_STREAMS_TIMEOUT';

test('a broker that freezes ends the run: the letter in flight is unknown, and the trail is told', async (context) => {
  await using server = await redis({ exclusive: true });
  if (!server.can.freeze) context.skip();
  const kernel = await startNode({}, redisStreams({ url: server.url, timeoutMs: 1000 }));
  await buryMany(kernel, 100);
  const errors = heard(kernel, 'error');
  const { letters } = await kernel.dlq.list();
  const report = await kernel.dlq.redrive({
    filter: {},
    by: 'ann',
    validate: async ({ id }) => {
      if (id === letters[5]?.id) await server.freeze();
      return true;
    },
  });
  await server.thaw();
  expect(report).toMatchObject({
    redriven: 5,
    failed: 0,
    unknown: 1,
    stopped: true,
    reason: { code: TIMEOUT },
    outcomes: [{ id: letters[5]?.id, outcome: 'unknown', reason: { code: TIMEOUT } }],
  });
  const told = errors
    .map(({ reason }) => reason)
    .find((reason) => (reason as EventsError).code === 'EVENTS_DLQ_UNTOLD');
  expect(told).toMatchObject({
    trail: { type: 'dlq.redriven', by: 'ann', ids: letters.slice(0, 5).map(({ id }) => id), counts: { unknown: 1 } },
  });
  // Whether it was sent nobody could know; that no other was is sure.
  const depth = () =>
    kernel.dlq.stats().then(
      (stats) => stats.depth,
      () => undefined,
    );
  await until(async () => (await depth()) !== undefined, 'it answers again');
  expect([94, 95]).toContain(await depth());
  expect(await kernel.dlq.redrive({ filter: {} })).toMatchObject({ unknown: 0, stopped: false });
});

test('the CLI prints the ids that could not be published', { timeout: 30_000 }, async (context) => {
  await using server = await redis({ exclusive: true });
  if (!server.can.freeze) context.skip();
  const kernel = await startNode({}, redisStreams({ url: server.url }));
  await buryMany(kernel, 3);
  const { letters } = await kernel.dlq.list();
  const running = start(['redrive', '--all', '--per-second', '1', '--json'], { EVENTS_DLQ_URL: server.url });
  await until(async () => (await kernel.dlq.stats()).depth === 2, 'the first is sent again');
  await server.freeze();
  const { code, out, err } = await running.exit;
  await server.thaw();
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    redriven: 1,
    failed: 0,
    unknown: 1,
    stopped: true,
    reason: { code: TIMEOUT },
  });
  expect(err).toContain(`"ids":["${letters[0]?.id}"]`);
});

test('what fails by a reply of the broker is failed, and does not end the run', async () => {
  const transport = memory({ redeliverMs: 1 });
  const { handoff } = transport.capabilities;
  const codes = ['EVENTS_TEST_REPLY', 'EVENTS_TEST_CONNECTION'] as const;
  let calls = 0;
  const moveEntry: Handoff['moveEntry'] = async (...args) => {
    const code = codes[calls++];
    if (code) throw new EventsError(code, 'no');
    return handoff.moveEntry(...args);
  };
  const broken = { ...transport, capabilities: { ...transport.capabilities, handoff: { ...handoff, moveEntry } } };
  const kernel = await startNode({}, broken);
  await buryMany(kernel, 4);
  expect(await kernel.dlq.redrive({ filter: {} })).toMatchObject({ redriven: 0, failed: 1, unknown: 1, stopped: true });
  expect(await kernel.dlq.redrive({ filter: {} })).toMatchObject({ redriven: 4, stopped: false });
});

test('a stop waits for what is under way, and its trail is published', async () => {
  const { url } = await sharedRedis();
  const prefix = `dlq-stop-${process.pid}-${Date.now()}`;
  const kernel = await startNode({}, redisStreams({ url, prefix }));
  await buryMany(kernel, 10);
  const errors = heard(kernel, 'error');
  let edits = 0;
  const running = kernel.dlq.redrive({
    filter: {},
    edit: async () => {
      // Longer than it takes to stop everything else.
      if (++edits === 3) await sleep(500);
      return undefined;
    },
  });
  await until(() => edits === 3, 'the third is being edited');
  await kernel.stop();
  expect(await running).toMatchObject({ redriven: 3, failed: 0, stopped: true });
  expect(errors).toEqual([]);
  const transport = redisStreams({ url, prefix });
  const reader = await startNode({}, transport);
  const [trail] = await transport.capabilities.log.read('dlq-events');
  expect(JSON.parse(String(trail?.payload)).body).toMatchObject({ counts: { redriven: 3 } });
  expect((await reader.dlq.stats()).depth).toBe(7);
});
