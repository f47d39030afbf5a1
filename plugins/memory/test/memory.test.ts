import { derive, type Envelope, type Middleware, type OutgoingEvent, transform } from '@logistically/events-kernel';
import { expect, test, vi } from 'vitest';
import { memory } from '../src/index.ts';
import { receive } from './receiver.ts';
import { kernelOn, turn } from './scene.ts';

const body = () => ({ items: ['pen'], placed: new Date(0) });

test('each group has its own copy of the body, as the codec reads it', async () => {
  const kernel = kernelOn(memory());
  const seen: unknown[] = [];
  for (const group of ['one', 'two']) await kernel.subscribe('a.b', (event) => void seen.push(event.body), { group });
  await kernel.start();
  const published = body();
  await kernel.publish('a.b', published);
  expect(seen).toEqual([
    { items: ['pen'], placed: '1970-01-01T00:00:00.000Z' },
    { items: ['pen'], placed: '1970-01-01T00:00:00.000Z' },
  ]);
  expect(seen[0]).not.toBe(seen[1]);
  published.items.push('ink');
  expect(await kernel.publish('a.b', published)).toMatchObject({ body: { items: ['pen', 'ink'] } });
  expect(seen[0]).toMatchObject({ items: ['pen'] });
});

test('by reference the handlers get the event that was published, again after a failure', async () => {
  const kernel = kernelOn(memory({ isolate: false, redeliverMs: 0 }));
  const seen: Envelope[] = [];
  await kernel.subscribe('a.b', (event) => {
    seen.push(event);
    if (seen.length === 1) throw new Error('not yet');
  });
  await kernel.start();
  const published = await kernel.publish('a.b', { call: () => 1n });
  await vi.waitFor(() => expect(seen).toHaveLength(2), 20_000);
  for (const event of seen) expect(event).toBe(published);
});

test('by reference the payload is written for who reads the log', async () => {
  const transport = memory({ isolate: false });
  const kernel = await kernelOn(transport).start();
  await kernel.publish('a.b', 1);
  const [entry] = await transport.capabilities.log.read('a-events');
  expect(JSON.parse(String(entry?.payload))).toMatchObject({ header: { type: 'a.b' }, body: 1 });
});

test('by reference what a layer has encoded is decoded', async () => {
  const upper: Middleware = {
    kind: 'middleware',
    name: 'upper',
    publish: {
      stage: 'encode',
      layer: transform((event: OutgoingEvent) =>
        derive(event, { payload: String(event.payload).replace('pen', 'PEN') }),
      ),
    },
  };
  const kernel = kernelOn(memory({ isolate: false })).use(upper);
  const bodies: unknown[] = [];
  await kernel.subscribe('a.b', (event) => void bodies.push(event.body));
  await kernel.start();
  await kernel.publish('a.b', 'pen');
  expect(bodies).toEqual(['PEN']);
});

test('kernels that share it share topics and groups; one that stops leaves the other alone', async () => {
  const transport = memory();
  const [one, two] = [kernelOn(transport), kernelOn(transport)];
  const bodies: unknown[] = [];
  for (const kernel of [one, two]) {
    await kernel.subscribe('a.b', (event) => void bodies.push(event.body));
    await kernel.start();
  }
  const numbers = Array.from({ length: 64 }, (_, n) => n);
  for (const n of numbers) await one.publish('a.b', n);
  expect(bodies).toEqual(numbers);
  expect(one.stats().delivered).toBeGreaterThan(0);
  expect(two.stats().delivered).toBe(64 - one.stats().delivered);
  expect(two.stats().delivered).toBeGreaterThan(0);
  await one.stop();
  await two.publish('a.b', 64);
  expect(bodies).toEqual([...numbers, 64]);
});

test('what it holds survives close and open: a group goes on where it was', async () => {
  const transport = memory();
  const kernel = kernelOn(transport);
  const bodies: unknown[] = [];
  const handler = (event: Envelope): void => void bodies.push(event.body);
  await kernel.subscribe('a.b', handler, { group: 'mail' });
  await kernel.start();
  await kernel.publish('a.b', 1);
  await kernel.stop();
  const publisher = await kernelOn(transport).start();
  await publisher.publish('a.b', 2);
  await publisher.stop();
  await kernel.start();
  await vi.waitFor(() => expect(bodies).toEqual([1, 2]), 20_000);
});

test('the last to close hands back what nobody has settled', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const left = await receive(transport, 'mail');
  await kernel.publish('a.b', 1);
  expect(left.deliveries).toHaveLength(1);
  await kernel.stop();
  await kernel.start();
  const next = await receive(transport, 'mail');
  await vi.waitFor(() => expect(next.deliveries).toMatchObject([{ attempt: 1 }]), 20_000);
  left.settle(left.deliveries[0]);
  expect(await transport.capabilities.inspect.topic('a-events')).toMatchObject({
    partitions: [{ groups: [{ pending: 1 }] }],
  });
});

test('closed, it refuses: publishing, subscribing, publishing for later, moving', async () => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const receiver = await receive(transport, 'mail');
  const event = (await kernel.publish('a.b', 1)) as OutgoingEvent;
  const { delay, handoff } = transport.capabilities;
  await kernel.stop();
  const reasons: unknown[] = [];
  transport.publish([event], (_, reason) => reasons.push(reason));
  delay.publishAt(Date.now(), [event], (_, reason) => reasons.push(reason));
  expect(reasons).toMatchObject([{ code: 'EVENTS_NOT_RUNNING' }, { code: 'EVENTS_NOT_RUNNING' }]);
  await expect(receive(transport, 'mail')).rejects.toMatchObject({ code: 'EVENTS_NOT_RUNNING' });
  const [delivery] = receiver.deliveries;
  await expect(delivery && handoff.move(delivery, 'dlq:a-events', {})).rejects.toMatchObject({
    code: 'EVENTS_NOT_RUNNING',
  });
});

test('a path that throws has failed with all that it has not settled', async () => {
  const transport = memory({ redeliverMs: 0 });
  const kernel = await kernelOn(transport).start();
  const attempts: number[] = [];
  await transport.subscribe?.({ topics: ['a-events'], group: 'g', from: 'latest', concurrency: 1 }, (batch, settle) => {
    for (const delivery of batch) {
      attempts.push(delivery.attempt);
      if (delivery.attempt < 3) throw new Error('not a path');
      settle(delivery);
    }
  });
  await kernel.publish('a.b', 1);
  await vi.waitFor(() => expect(attempts).toEqual([1, 2, 3]), 20_000);
  await turn();
  expect(attempts).toHaveLength(3);
});

test('options are checked', () => {
  for (const options of [
    { partitions: 0 },
    { partitions: 1.5 },
    { maxRetained: -1 },
    { maxUnsettled: 0 },
    { redeliverMs: Number.NaN },
  ])
    expect(() => memory(options), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
});
