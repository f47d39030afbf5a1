import { EventsError, type OutgoingEvent } from '@logistically/events-kernel';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { memory } from '../src/index.ts';
import { receive } from './receiver.ts';
import { kernelOn } from './scene.ts';

const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('the wait for the next attempt doubles, up to 30 s', async () => {
  const transport = memory({ redeliverMs: 4000 });
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'g');
  await kernel.publish('a.b', 1);
  for (const waitMs of [4000, 8000, 16_000, 30_000, 30_000]) {
    const count = receiver.deliveries.length;
    receiver.settle(receiver.deliveries.at(-1), new Error('failed'));
    vi.advanceTimersByTime(waitMs - 1);
    expect(receiver.deliveries).toHaveLength(count);
    vi.advanceTimersByTime(1);
    expect(receiver.deliveries).toHaveLength(count + 1);
  }
  expect(receiver.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a reason says when: its retryAfterMs wins, and what is none is ignored', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'g');
  await kernel.publish('a.b', 1);
  const failAndWait = (reason: unknown, waitMs: number): void => {
    const count = receiver.deliveries.length;
    receiver.settle(receiver.deliveries.at(-1), reason);
    vi.advanceTimersByTime(waitMs - 1);
    expect(receiver.deliveries).toHaveLength(count);
    vi.advanceTimersByTime(1);
    expect(receiver.deliveries).toHaveLength(count + 1);
  };
  failAndWait(new EventsError('EVENTS_TEST', 'later', { retryAfterMs: 5000 }), 5000);
  failAndWait({ retryAfterMs: 1 }, 1);
  failAndWait({ retryAfterMs: Number.NaN }, 400);
  failAndWait(null, 800);
  failAndWait('text', 1600);
});

test('what waits for its time fires no timer while closed, and is not forgotten', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const event = (await kernel.publish('x.y', 'later')) as OutgoingEvent;
  const receiver = await receive(transport, 'g', { topics: ['x-events'] });
  await vi.waitFor(() => expect(receiver.deliveries).toHaveLength(1), 20_000);
  receiver.settle(receiver.deliveries[0], new Error('failed'));
  transport.capabilities.delay.publishAt(Date.now() + 50, [event], () => {});
  expect(vi.getTimerCount()).toBe(2);
  await kernel.stop();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(1000);
  await kernel.start();
  const next = await receive(transport, 'g', { topics: ['x-events'] });
  await vi.advanceTimersByTimeAsync(1);
  await vi.waitFor(() => expect(next.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2]), 20_000);
});

test('an event may be published for a day that no timer reaches', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'g');
  const event = (await kernel.publish('a.b', 1)) as OutgoingEvent;
  transport.capabilities.delay.publishAt(Date.now() + 60 * DAY_MS, [event], () => {});
  vi.advanceTimersByTime(60 * DAY_MS - 1);
  expect(receiver.deliveries).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(receiver.deliveries).toHaveLength(2);
});

test('a time that is none is refused', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const event = (await kernel.publish('a.b', 1)) as OutgoingEvent;
  const reasons: unknown[] = [];
  transport.capabilities.delay.publishAt(Number.NaN, [event], (_, reason) => reasons.push(reason));
  expect(reasons).toMatchObject([{ code: 'EVENTS_CONFIG' }]);
});

test('what has waited a minute without a consumer is unhealthy', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  await (await receive(transport, 'mail')).close();
  await kernel.publish('a.b', 1);
  vi.advanceTimersByTime(59_999);
  expect((await kernel.health()).problems).toEqual([]);
  vi.advanceTimersByTime(1);
  expect((await kernel.health()).problems).toEqual([
    { source: 'memory', problem: 'group mail has 1 events waiting in a-events/0 and no consumer' },
  ]);
});

test('times in the log never run backwards, so that a position is found by time', async () => {
  const transport = memory();
  const { log } = transport.capabilities;
  const kernel = await kernelOn(transport).start();
  for (const time of [1000, 5000, 2000, 7000]) {
    vi.setSystemTime(time);
    await kernel.publish('a.b', time);
  }
  expect((await log.read('a-events')).map(({ time }) => time)).toEqual([1000, 5000, 5000, 7000]);
  expect(await log.read('a-events', { from: new Date(5000) })).toHaveLength(3);
  expect(await log.read('a-events', { from: new Date(5001) })).toHaveLength(1);
});
