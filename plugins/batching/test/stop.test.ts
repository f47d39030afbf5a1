import type { PublishError } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { again, begin, codeOf, End, LONG } from './scene.ts';

test('stop sends at once what waits', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: LONG });
  const published = [publish(1), publish(2)];
  expect(await kernel.stop()).toMatchObject({ unpublished: 0 });
  await Promise.all(published);
  expect(end.bodies).toEqual([[1, 2]]);
});

test('stop ends by its deadline; what was not sent or not confirmed is settled and stays readable', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1, maxQueued: 1 });
  end.path = end.hold;
  const published = [1, 2, 3].map((body) => publish(body));
  await kernel.stop(50);
  const codes = ['EVENTS_BATCHING_UNCONFIRMED', 'EVENTS_BATCHING_STOPPED', 'EVENTS_BATCHING_STOPPED'];
  expect(await Promise.all(published.map(codeOf))).toEqual(codes);
  const failed = kernel.batching.failed().map(({ event, reason }) => [event.body, (reason as { code: string }).code]);
  expect(failed.sort()).toEqual(codes.map((code, index) => [index + 1, code]));
  const empty = { waiting: 0, queued: 0, bytes: 0, inFlight: 0, batches: 0, failed: 3, dropped: 0 };
  expect(kernel.batching.memoryStats()).toEqual(empty);
  end.release();
  expect(kernel.batching.memoryStats()).toEqual(empty);
});

test('what is published while the kernel stops waits for no company', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: LONG });
  kernel.on('stopping', () => void publish('last'));
  expect(await kernel.stop(1000)).toMatchObject({ unpublished: 0 });
  expect(end.bodies).toEqual([['last']]);
});

test('who waits for room while the kernel stops is sent as soon as there is some', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 2, maxConcurrentBatches: 1, maxQueued: 1, maxWaitMs: LONG });
  end.path = end.hold;
  const published = [1, 2, 3].map((body) => publish(body));
  expect(kernel.batching.memoryStats()).toMatchObject({ inFlight: 1, queued: 1, waiting: 1 });
  const stopped = kernel.stop(1000);
  for (let n = 0; n < 3; n++) end.release();
  expect(await stopped).toMatchObject({ unpublished: 0 });
  await Promise.all(published);
});

test('what a layer above sends again after stop is refused at once', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1 }, new End(), again);
  end.path = end.hold;
  const published = publish(1);
  await kernel.stop(20);
  expect(await codeOf(published)).toBe('EVENTS_BATCHING_STOPPED');
});

test('what a transport confirms while it closes is done, and nothing more is handed on to it', async () => {
  const { kernel, end, publish } = await begin({ maxSize: 1, maxConcurrentBatches: 1 });
  end.path = end.hold;
  end.onClose = () => end.release();
  const published = [publish(1), publish(2)];
  await kernel.stop(50);
  expect(await Promise.all(published.map(codeOf))).toEqual(['done', 'EVENTS_BATCHING_STOPPED']);
  expect(end.bodies).toEqual([[1]]);
});

test('after stop the kernel starts again', async () => {
  const { kernel, end, publish } = await begin({ maxWaitMs: 1 });
  await kernel.stop();
  await kernel.start();
  await publish(1);
  expect(end.bodies).toEqual([[1]]);
});

test('stop settles a batch of more events than a call takes arguments', async () => {
  const many = 150_000;
  const all = { maxSize: many, maxBytes: 2 ** 40, maxQueued: many };
  const { kernel, end, publish } = await begin({ ...all, maxConcurrentBatches: 1, maxWaitMs: LONG });
  end.path = end.hold;
  const first = publish('takes the only place');
  const flushed = kernel.batching.flush();
  const left = kernel.publishBatch(Array.from({ length: many }, () => ({ type: 'user.created', body: 0 })));
  const failures = left.catch(({ failures: each }: PublishError) => each);
  await kernel.stop(50);
  expect(kernel.batching.memoryStats()).toMatchObject({ waiting: 0, queued: 0, bytes: 0, inFlight: 0, batches: 0 });
  expect(await failures).toHaveLength(many);
  expect(await codeOf(first)).toBe('EVENTS_BATCHING_UNCONFIRMED');
  await flushed;
}, 30_000);
