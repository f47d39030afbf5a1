import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { memory } from '../src/index.ts';
import { receive } from './receiver.ts';
import { kernelOn, turn } from './scene.ts';

const events = (count: number, partition = 0, type = 'a.b') =>
  Array.from({ length: count }, (_, body) => ({ type, body, partition }));

test('consumers of a group share a batch evenly, and those with no free slot are passed over', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const [one, two, small] = [
    await receive(transport, 'g', { concurrency: 100 }),
    await receive(transport, 'g', { concurrency: 100 }),
    await receive(transport, 'g', { concurrency: 2 }),
  ];
  await kernel.publishBatch(events(60));
  expect(small?.deliveries).toHaveLength(2);
  expect(one.deliveries.length + two.deliveries.length).toBe(58);
  expect(Math.min(one.deliveries.length, two.deliveries.length)).toBeGreaterThan(15);
});

test('a consumer with one slot serves every topic that waits for it', async () => {
  const transport = memory();
  const kernel = kernelOn(transport);
  const bodies: unknown[] = [];
  await kernel.subscribe('*', async (event) => {
    await turn();
    bodies.push(`${event.header.type} ${event.body}`);
  });
  await kernel.start();
  const types = Array.from({ length: 40 }, (_, n) => `t${n}.x`);
  const published = types.flatMap((type) => events(5, 0, type));
  await kernel.publishBatch(published);
  await vi.waitFor(() => expect(bodies).toHaveLength(200), 20_000);
  expect(new Set(bodies).size).toBe(200);
  for (const type of types) {
    const ofType = bodies.filter((body) => String(body).startsWith(`${type} `));
    expect(ofType, 'in order').toEqual([0, 1, 2, 3, 4].map((n) => `${type} ${n}`));
  }
});

test('no slot stays idle while something waits, whoever of many consumers reads what', async () => {
  const transport = memory({ redeliverMs: 1 });
  const kernel = await kernelOn(transport).start();
  const topics = ['a', 'b', 'c', 'd'];
  let handled = 0;
  let failures = 0;
  for (const subset of [topics, topics.slice(0, 2), topics.slice(1, 3), ['d']]) {
    await transport.subscribe?.(
      { topics: subset.map((topic) => `${topic}-events`), group: 'g', from: 'latest', concurrency: 2 },
      async (batch, settle) => {
        for (const delivery of batch) {
          await sleep(Math.random() * 3);
          if (delivery.attempt === 1 && Math.random() < 0.3) {
            failures++;
            settle(delivery, new Error('failed'));
          } else {
            handled++;
            settle(delivery);
          }
        }
      },
    );
  }
  for (let n = 0; n < 300; n++) await kernel.publish(`${topics[n % 4]}.x`, n);
  await vi.waitFor(() => expect(handled).toBe(300), 20_000);
  expect(failures).toBeGreaterThan(0);
});

test('who subscribes to all topics gets those that come later from their beginning, but no derived ones', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const all = await receive(transport, 'all', { topics: 'all', from: 'latest' });
  await kernel.publish('a.b', 1);
  const [delivery] = all.deliveries;
  if (!delivery) throw new Error('Nothing came.');
  await transport.capabilities.handoff.move(delivery, 'dlq:a-events', { reason: 'bad' });
  all.settle(delivery);
  await turn();
  expect(all.deliveries).toHaveLength(1);
  const letters = await receive(transport, 'all', { topics: ['dlq:a-events'] });
  await vi.waitFor(() => expect(letters.deliveries).toMatchObject([{ notes: { reason: 'bad' } }]), 20_000);
});

test('a group of all topics misses no topic that comes into being while it is away', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const subscription = { topics: 'all', from: 'latest' } as const;
  await (await receive(transport, 'all', subscription)).close();
  await kernel.publish('new.one', 1);
  const back = await receive(transport, 'all', subscription);
  await vi.waitFor(() => expect(back.deliveries).toMatchObject([{ topic: 'new-events' }]), 20_000);
});

test('what was moved is settled: whatever its settlement says, it neither comes back nor counts twice', async () => {
  const transport = memory({ redeliverMs: 0 });
  const { handoff, inspect, log } = transport.capabilities;
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'g', { concurrency: 2 });
  await kernel.publishBatch(events(2));
  for (const delivery of receiver.deliveries) await handoff.move(delivery, 'dlq:a-events', {});
  await kernel.publish('a.b', 'next');
  expect(receiver.deliveries, 'its slot is taken until it is settled').toHaveLength(2);
  receiver.settle(receiver.deliveries[0]);
  receiver.settle(receiver.deliveries[1], new Error('failed'));
  expect(receiver.deliveries).toHaveLength(3);
  expect(await inspect.topic('a-events')).toMatchObject({ partitions: [{ groups: [{ pending: 1, delayed: 0 }] }] });
  expect(await log.read('dlq:a-events')).toHaveLength(2);
});

test('a consumer that has stopped gets nothing of a topic that comes into being then', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const stopped = await receive(transport, 'all', { topics: 'all' });
  await stopped.consumer?.stop();
  await kernel.publish('new.one', 1);
  await turn();
  expect(stopped.deliveries).toEqual([]);
});

test('a settlement after handing back settles nothing, also while nobody else has the event', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const closed = await receive(transport, 'g');
  await kernel.publishBatch(events(2));
  await closed.close();
  closed.settle(closed.deliveries[0]);
  closed.settle(closed.deliveries[1], new Error('failed'));
  expect(await transport.capabilities.inspect.topic('a-events')).toMatchObject({
    partitions: [{ groups: [{ pending: 2, delayed: 0 }] }],
  });
  const next = await receive(transport, 'g');
  await vi.waitFor(() => expect(next.deliveries.map(({ attempt }) => attempt)).toEqual([1, 1]), 20_000);
});

test('a consumer of some partitions gets those; the group keeps the others for who comes', async () => {
  const transport = memory({ partitions: 3 });
  const kernel = await kernelOn(transport).start();
  const some = await receive(transport, 'g', { partitions: [0, 2], from: 'latest' });
  for (const partition of [0, 1, 2]) await kernel.publishBatch(events(2, partition));
  expect(some.deliveries.map(({ partition }) => partition)).toEqual([0, 0, 2, 2]);
  const rest = await receive(transport, 'g', { partitions: [1], from: 'latest' });
  await vi.waitFor(() => expect(rest.deliveries.map(({ partition }) => partition)).toEqual([1, 1]), 20_000);
});

test('a partition that does not exist is refused', async () => {
  const transport = memory({ partitions: 2 });
  const kernel = await kernelOn(transport).start();
  await expect(kernel.publish('a.b', 1, { partition: 2 })).rejects.toMatchObject({ code: 'EVENTS_MEMORY_PARTITION' });
  await expect(receive(transport, 'g', { partitions: [0, 2] })).rejects.toMatchObject({
    code: 'EVENTS_MEMORY_PARTITION',
  });
});

test('a subscription that is refused leaves no consumer behind', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  await receive(transport, 'g', { concurrency: 1 });
  await expect(receive(transport, 'g', { topics: ['a-events', 'b-events'], from: 'nonsense' })).rejects.toMatchObject({
    code: 'EVENTS_MEMORY_CURSOR',
  });
  const { partitions } = await transport.capabilities.inspect.topic('a-events');
  expect(partitions[0]?.groups[0]?.consumers).toHaveLength(1);
  await kernel.publish('a.b', 1);
});

test('a cursor is a position in every topic: what was stored after it', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  await kernel.publish('a.b', 1);
  await kernel.publish('c.d', 2);
  const [entry] = await transport.capabilities.log.read('a-events');
  await kernel.publish('a.b', 3);
  const receiver = await receive(transport, 'g', { topics: ['a-events', 'c-events'], from: entry?.cursor ?? '' });
  await vi.waitFor(() =>
    expect(receiver.deliveries.map(({ topic }) => topic).sort()).toEqual(['a-events', 'c-events']),
  );
});

test('a date that is none is refused', async () => {
  const transport = memory();
  await kernelOn(transport).start();
  await expect(receive(transport, 'g', { from: new Date(Number.NaN) })).rejects.toMatchObject({
    code: 'EVENTS_MEMORY_CURSOR',
  });
});

test('inspect tells who holds what', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'g', { concurrency: 3 });
  await kernel.publishBatch(events(5));
  receiver.settle(receiver.deliveries[0], { retryAfterMs: 60_000 });
  const { partitions } = await transport.capabilities.inspect.topic('a-events');
  expect(partitions).toMatchObject([
    { partition: 0, length: 5, groups: [{ group: 'g', lag: 1, pending: 4, delayed: 1, consumers: [{ pending: 3 }] }] },
  ]);
  expect(partitions[0]?.groups[0]?.consumers[0]?.idleMs).toBeGreaterThanOrEqual(0);
  expect(await transport.capabilities.inspect.topic('unknown')).toEqual({ topic: 'unknown', partitions: [] });
});
