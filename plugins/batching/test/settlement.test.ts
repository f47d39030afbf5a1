import { derive, each, type Middleware, type OutgoingEvent } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { again, begin, codeOf, deferred, End, LONG } from './scene.ts';

test('each event has its own fate', async () => {
  const { end, publish } = await begin({ maxSize: 3 });
  end.path = each(({ body }) => {
    if (body === 2) throw new Error('refused');
  });
  const published = [1, 2, 3].map((body) => publish(body));
  await expect(published[1]).rejects.toThrow('refused');
  await Promise.all([published[0], published[2]]);
});

test('what throws below fails its batch and no other', async () => {
  const end = new End();
  const throwing: Middleware = {
    kind: 'middleware',
    name: 'throwing',
    publish: {
      stage: 'encode',
      layer: (next) => (batch, settle) => {
        if (batch[0]?.body === 1) throw new Error('broken');
        next(batch, settle);
      },
    },
  };
  const { kernel, publish } = await begin({ maxSize: 2 }, end, throwing);
  const published = [1, 2, 3, 4].map((body) => publish(body));
  await expect(published[0]).rejects.toThrow('broken');
  await expect(published[1]).rejects.toThrow('broken');
  await Promise.all(published.slice(2));
  expect(kernel.batching.memoryStats()).toMatchObject({ inFlight: 0, batches: 0, failed: 2, bytes: 0 });
});

test('an event goes as it was when it was published', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: LONG });
  const body = { total: 1 };
  publish(body);
  body.total = 2;
  await kernel.batching.flush();
  expect(end.batches[0]?.[0]?.payload).toContain('"total":1');
});

test('what cannot be encoded fails alone', async () => {
  const { publish } = await begin(
    { maxSize: 2 },
    Object.assign(new End(), { path: each<OutgoingEvent>(({ payload }) => payload) }),
  );
  const published = [publish(1n), publish(2)];
  expect(await codeOf(published[0] as Promise<unknown>)).toBe('EVENTS_NOT_ENCODABLE');
  await published[1];
});

test('flush resolves when all that was published before is settled, failed or not, and waits for nothing that comes later', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: LONG });
  const refuse = deferred();
  end.path = each(() => refuse.promise);
  publish(1);
  let flushed = false;
  const flush = kernel.batching.flush().then(() => {
    flushed = true;
  });
  publish(2);
  await new Promise(setImmediate);
  expect([end.bodies, flushed]).toEqual([[[1]], false]);
  refuse.reject(new Error('no'));
  await flush;
  expect(kernel.batching.memoryStats()).toMatchObject({ queued: 1 });
  await (await begin({})).kernel.batching.flush();
});

test('failed events are kept up to a bound, and what is dropped is counted', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxFailedKept: 2 });
  end.path = each(() => Promise.reject(new Error('no')));
  for (const body of [1, 2, 3]) await codeOf(publish(body));
  expect(kernel.batching.failed().map(({ event }) => event.body)).toEqual([2, 3]);
  expect(kernel.batching.memoryStats()).toMatchObject({ failed: 2, dropped: 1 });
});

test('what is published after all is no failure', async () => {
  const end = new End();
  let calls = 0;
  end.path = each(() => {
    if (calls++ === 0) throw new Error('once');
  });
  const { kernel, publish } = await begin({ maxSize: 1 }, end, again);
  await publish(1);
  expect([calls, kernel.batching.failed()]).toEqual([2, []]);
});

test('a layer below may settle a copy, and what settles twice is heard once', async () => {
  const end = new End();
  end.path = (batch, settle) => {
    for (const event of batch) {
      settle(event, event.body === 2 ? new Error('refused') : undefined);
      settle(event, event.body === 2 ? undefined : new Error('never mind'));
    }
  };
  const copying: Middleware = {
    kind: 'middleware',
    name: 'copying',
    publish: {
      stage: 'encode',
      layer: (next) => (batch, settle) =>
        next(
          batch.map((event) => derive(event, { headers: { a: 'b' } })),
          settle,
        ),
    },
  };
  const { kernel, publish } = await begin({ maxSize: 3 }, end, copying);
  const published = [1, 2, 3].map((body) => publish(body));
  await expect(published[1]).rejects.toThrow('refused');
  await Promise.all([published[0], published[2]]);
  expect(kernel.batching.failed().map(({ event }) => event.body)).toEqual([2]);
  expect(kernel.batching.memoryStats()).toMatchObject({ inFlight: 0, batches: 0, bytes: 0 });
});

test('flush waits for no company on behalf of who waited for room', async () => {
  const { kernel, publish } = await begin({
    ...{ maxSize: 10, maxQueued: 2, maxConcurrentBatches: 1, maxWaitMs: LONG, maxWaitForRoomMs: LONG },
    strategy: 'time',
  });
  const published = [1, 2, 3, 4].map((body) => publish(body));
  expect(kernel.batching.memoryStats()).toMatchObject({ queued: 2, waiting: 2 });
  await kernel.batching.flush();
  await Promise.all(published);
});

test('memoryStats counts bytes until they are settled', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: LONG });
  end.path = end.hold;
  const published = publish('x'.repeat(1000));
  expect(kernel.batching.memoryStats()).toMatchObject({ queued: 1, inFlight: 0, batches: 0 });
  const flushed = kernel.batching.flush();
  expect(kernel.batching.memoryStats()).toMatchObject({ queued: 0, inFlight: 1, batches: 1 });
  expect(kernel.batching.memoryStats().bytes).toBeGreaterThan(1000);
  end.release();
  await Promise.all([published, flushed]);
  expect(kernel.batching.memoryStats().bytes).toBe(0);
});

test('a settlement that throws above keeps no other event from being settled, and is reported', async () => {
  const throwing: Middleware = {
    kind: 'middleware',
    name: 'throwing',
    publish: {
      stage: 'observe',
      layer: (next) => (batch, settle) =>
        next(batch, (event) => {
          settle(event);
          throw new Error('above');
        }),
    },
  };
  const { kernel, publish } = await begin({ maxSize: 2 }, new End(), throwing);
  const told: unknown[] = [];
  kernel.on('error', ({ source }) => told.push(source));
  await Promise.all([publish(1), publish(2)]);
  expect(told).toEqual(['batching', 'batching']);
});
