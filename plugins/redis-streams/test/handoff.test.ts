import { randomBytes } from 'node:crypto';
import { sharedRedis } from '@logistically/events-conformance/services';
import { createKernel, type Delivery, type LogEntry } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { redisStreams } from '../src/index.ts';
import { monitor } from './monitor.ts';
import { SHORT } from './node.ts';
import { rawXadd } from './raw-producer.ts';
import { State } from './state.ts';
import { until } from './until.ts';

const open = async () => {
  const server = await sharedRedis();
  const prefix = `handoff-${randomBytes(4).toString('hex')}`;
  const transport = redisStreams({ url: server.url, prefix, ...SHORT });
  const kernel = await createKernel({ service: 'shop' }).use(transport).start();
  return { server, state: new State(server, prefix), transport, kernel };
};

test('an entry with thousands of fields is handed off as far as it goes, and a note tells what was left behind', async () => {
  const { server, state, transport, kernel } = await open();
  const { handoff, log } = transport.capabilities;
  const held: Delivery[] = [];
  const subscription = { topics: ['order-events'], group: 'shop', from: 'earliest', concurrency: 5 } as const;
  const consumer = await transport.subscribe?.(subscription, (batch) => void held.push(...batch));
  const fields = Array.from({ length: 20_000 }, (_, index) => `f${index}`);
  await rawXadd(server, state.keys.stream('order-events', 0), fields);
  await until(() => held.length === 1, 'it is delivered');

  await handoff.move(held[0] as Delivery, 'dlq:order-events', { why: 'no event' });
  const [copy] = (await log.read('dlq:order-events')) as [LogEntry];
  const kept = JSON.parse(String(copy.payload)) as string[];
  expect(kept.length).toBeGreaterThan(7000);
  expect(kept).toEqual(fields.slice(0, kept.length));
  expect(copy.notes).toEqual({ why: 'no event', truncated: String((fields.length - kept.length) / 2) });
  expect(await state.pending('order-events')).toBe(0);
  expect(await handoff.moveEntry(copy, 'order-events', {})).toBe(true);

  await consumer?.stop();
  await consumer?.close(Date.now() + 1000);
  await kernel.stop();
});

test('no entry is there before its topic is known: who dies in between leaves none that nobody finds', async () => {
  const { server, state, kernel } = await open();
  await using watched = await monitor(server);
  const commands = (): string[] => watched.seen.map(({ words }) => words.join(' '));
  await kernel.publish('first.placed', {});
  const stream = state.keys.stream('first-events', 0);
  await until(() => commands().some((each) => each.includes(stream)), 'it is stored');
  const mine = commands().filter((each) => each.includes(state.keys.topics) || each.includes(stream));
  expect(mine[0]).toMatch(/^sadd .* first-events$/i);
  await kernel.stop();
});
