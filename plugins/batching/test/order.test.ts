import {
  createKernel,
  type Middleware,
  type OutgoingEvent,
  type Settle,
  type Transport,
} from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { batching } from '../src/index.ts';
import { begin, End, quiet } from './scene.ts';

test('an event that comes twice is settled twice, in batches of their own', async () => {
  let settled = 0;
  const twice: Middleware = {
    kind: 'middleware',
    name: 'twice',
    publish: {
      stage: 'observe',
      layer: (next) => (batch, settle) =>
        next([...batch, ...batch], (event) => {
          if (++settled === 2) settle(event);
        }),
    },
  };
  const { kernel, end, publish } = await begin({ maxWaitMs: 1 }, new End(), twice);
  await publish(1);
  expect([end.bodies, kernel.batching.memoryStats().inFlight]).toEqual([[[1], [1]], 0]);
});

test('what a subscriber hears is what was published, in order', async () => {
  const kernel = await createKernel({ service: 'shop', logger: quiet })
    .use(memory())
    .use(batching({ maxSize: 7, maxWaitMs: 1 }))
    .start();
  onTestFinished(async () => {
    await kernel.stop(50);
  });
  const heard: unknown[] = [];
  const bodies = Array.from({ length: 50 }, (_, n) => n);
  const all = new Promise<void>((resolve) => {
    void kernel.subscribe('user.*', ({ body }) => {
      heard.push(body);
      if (heard.length === bodies.length) resolve();
    });
  });
  await Promise.all(bodies.map((body) => kernel.publish('user.created', body)));
  await all;
  expect(heard).toEqual(bodies);
});

test('events of one key, and of one type, keep their order, whatever the options and whoever is slow', async () => {
  const history = fc.array(
    fc.record({
      key: fc.option(fc.constantFrom('k1', 'k2'), { nil: undefined }),
      type: fc.constantFrom('user.created', 'user.deleted', 'order.created'),
      partition: fc.option(fc.constantFrom(0, 1), { nil: undefined }),
      wait: fc.integer({ min: 0, max: 9 }),
      size: fc.integer({ min: 0, max: 40 }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  const options = fc.record({
    strategy: fc.constantFrom('size' as const, 'time' as const, 'partition' as const),
    groupBy: fc.constantFrom('exact' as const, 0, 1),
    grouped: fc.boolean(),
    maxSize: fc.integer({ min: 1, max: 8 }),
    maxBytes: fc.integer({ min: 100, max: 1000 }),
    maxQueued: fc.integer({ min: 5, max: 40 }),
    maxConcurrentBatches: fc.integer({ min: 1, max: 4 }),
  });
  const property = fc.asyncProperty(options, history, async ({ grouped, groupBy, ...chosen }, events) => {
    const seen: OutgoingEvent[] = [];
    const transport: Transport<object> = {
      kind: 'transport',
      name: 'end',
      capabilities: {},
      open: async () => {},
      publish: (batch, settle: Settle<OutgoingEvent>) => {
        seen.push(...batch);
        for (const event of batch) {
          if ((event.body as { n: number }).n % 3) setImmediate(settle, event);
          else settle(event);
        }
      },
      close: async () => {},
    };
    const kernel = await createKernel({ service: 'shop', logger: quiet })
      .use(transport)
      .use(batching({ maxWaitMs: 1, ...chosen, ...(grouped && { groupBy }) }))
      .start();
    const published: Promise<unknown>[] = [];
    let refused = 0;
    for (const [n, { type, key, partition, wait, size }] of events.entries()) {
      const place = { ...(key !== undefined && { key }), ...(partition !== undefined && { partition }) };
      const one = kernel.publish(type, { n, text: 'x'.repeat(size) }, place);
      published.push(one.catch(() => refused++));
      if (wait === 0) await new Promise(setImmediate);
    }
    await Promise.all(published);
    await kernel.stop(1000);
    expect(seen.length + refused).toBe(events.length);
    // Under the strategy `partition` an event that names none is in no order with one that does.
    const scopesOf = ({ topic, key, type, partition }: OutgoingEvent) => [
      `type ${type}/${partition}`,
      ...(key === undefined ? [] : [`key ${topic}/${key}`]),
    ];
    for (const scope of new Set(seen.flatMap(scopesOf))) {
      const order = seen
        .filter((event) => scopesOf(event).includes(scope))
        .map(({ body }) => (body as { n: number }).n);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
  });
  await fc.assert(property, { numRuns: 150 });
});
