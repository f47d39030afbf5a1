import { expect, test, vi } from 'vitest';
import { memory } from '../src/index.ts';
import { receive } from './receiver.ts';
import { kernelOn } from './scene.ts';

const bodiesOf = (entries: readonly { readonly payload: string | Uint8Array }[]): unknown[] =>
  entries.map(({ payload }) => JSON.parse(String(payload)).body);

test('of what nobody waits for, the last entries are kept', async () => {
  const transport = memory({ maxRetained: 3 });
  const kernel = await kernelOn(transport).start();
  for (let n = 0; n < 50; n++) await kernel.publish('a.b', n);
  expect(bodiesOf(await transport.capabilities.log.read('a-events'))).toEqual([47, 48, 49]);
});

test('what a group has not settled is kept, and dropped once it has', async () => {
  const transport = memory({ maxRetained: 3 });
  const { log } = transport.capabilities;
  const kernel = await kernelOn(transport).start();
  const slow = await receive(transport, 'slow', { concurrency: 100 });
  const fast = await receive(transport, 'fast', { concurrency: 100 });
  for (let n = 0; n < 50; n++) await kernel.publish('a.b', n);
  for (const delivery of fast.deliveries) fast.settle(delivery);
  for (const delivery of slow.deliveries.slice(1)) slow.settle(delivery);
  expect(await log.read('a-events')).toHaveLength(50);
  slow.settle(slow.deliveries[0]);
  expect(bodiesOf(await log.read('a-events'))).toEqual([47, 48, 49]);
});

test('a group that nobody consumes for keeps its events', async () => {
  const transport = memory({ maxRetained: 0 });
  const kernel = await kernelOn(transport).start();
  await (await receive(transport, 'away')).close();
  for (let n = 0; n < 20; n++) await kernel.publish('a.b', n);
  const back = await receive(transport, 'away', { concurrency: 100 });
  await kernel.publish('a.b', 20);
  expect(back.deliveries).toHaveLength(21);
});

test('a partition that is full of unsettled entries refuses, event by event, until its group catches up', async () => {
  const transport = memory({ maxUnsettled: 3, partitions: 2 });
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'slow');
  const events = [0, 1, 2, 3, 4].map((body) => ({ type: 'a.b', body, partition: body === 4 ? 1 : 0 }));
  await expect(kernel.publishBatch(events)).rejects.toMatchObject({
    failures: [{ index: 3, reason: { code: 'EVENTS_MEMORY_FULL' } }],
  });
  expect((await kernel.health()).problems).toEqual([
    { source: 'memory', problem: 'a-events/0 is full: publishing to it is refused' },
  ]);
  receiver.settle(receiver.deliveries[1]);
  await expect(kernel.publish('a.b', 5)).rejects.toMatchObject({ code: 'EVENTS_MEMORY_FULL' });
  receiver.settle(receiver.deliveries[0]);
  await kernel.publish('a.b', 6);
  expect((await kernel.health()).healthy).toBe(true);
});

test('what is to be stored later takes its place now', async () => {
  const transport = memory({ maxUnsettled: 2 });
  const kernel = await kernelOn(transport).start();
  const event = await kernel.publish('x.y', 1);
  const reasons: unknown[] = [];
  for (let n = 0; n < 3; n++)
    transport.capabilities.delay.publishAt(Date.now() + 60_000, [event as never], (_, reason) => reasons.push(reason));
  expect(reasons).toMatchObject([undefined, undefined, { code: 'EVENTS_MEMORY_FULL' }]);
});

test('without a group nothing is unsettled, and nothing is refused', async () => {
  const kernel = await kernelOn(memory({ maxUnsettled: 1, maxRetained: 5 })).start();
  for (let n = 0; n < 20; n++) await kernel.publish('a.b', n);
  expect(kernel.stats().published).toBe(20);
});

test('what is in a derived topic waits for somebody to settle it', async () => {
  const transport = memory({ maxRetained: 2, maxUnsettled: 4 });
  const { handoff, log } = transport.capabilities;
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'g');
  const refused: unknown[] = [];
  for (let n = 0; n < 5; n++) {
    await kernel.publish('a.b', n);
    const delivery = receiver.deliveries[n];
    if (!delivery) throw new Error('It was not delivered.');
    await handoff.move(delivery, 'dlq:a-events', {}).catch((reason) => refused.push(reason));
    receiver.settle(delivery);
  }
  expect(refused).toMatchObject([{ code: 'EVENTS_MEMORY_FULL' }]);
  expect(bodiesOf(await log.read('dlq:a-events'))).toEqual([0, 1, 2, 3]);
  const redrive = await receive(transport, 'redrive', { topics: ['dlq:a-events'] });
  await vi.waitFor(() => expect(redrive.deliveries).toHaveLength(4), 20_000);
  for (const delivery of redrive.deliveries) redrive.settle(delivery);
  expect(bodiesOf(await log.read('dlq:a-events'))).toEqual([2, 3]);
});
