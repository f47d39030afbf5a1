import {
  derive,
  EventsError,
  type Middleware,
  type OutgoingEvent,
  type Settle,
  type Transport,
} from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { kernelWith, until } from './scene.ts';

type Publish = (event: OutgoingEvent, settle: (reason?: unknown) => void) => void;

const transportOf = (publish: Publish, batches: number[] = []): Transport => ({
  kind: 'transport',
  name: 'probe',
  capabilities: {},
  open: async () => {},
  publish: (batch: readonly OutgoingEvent[], settle: Settle<OutgoingEvent>) => {
    batches.push(batch.length);
    for (const event of batch) publish(event, (reason) => settle(event, reason));
  },
  close: async () => {},
});
const FAST = { publish: { baseDelayMs: 1, maxDelayMs: 2 } };

test('what was not published is sent again, the same event, until it is', async () => {
  const ids: string[] = [];
  const kernel = kernelWith(
    FAST,
    transportOf((event, settle) => {
      ids.push(event.header.id);
      settle(ids.length < 3 ? new Error('down') : undefined);
    }),
  );
  await kernel.start();
  const { header } = await kernel.publish('a.b', 1);
  expect(ids).toEqual([header.id, header.id, header.id]);
});

test('after the last attempt the caller gets the last reason', async () => {
  let calls = 0;
  const kernel = kernelWith(
    FAST,
    transportOf((_, settle) => settle(new Error(`down ${++calls}`))),
  );
  await kernel.start();
  await expect(kernel.publish('a.b', 1)).rejects.toThrow('down 4');
  expect(calls).toBe(4);
});

test('of a batch only what failed is sent again, together', async () => {
  const batches: number[] = [];
  const failed = new Set<unknown>();
  const kernel = kernelWith(
    { publish: { baseDelayMs: 0 } },
    transportOf((event, settle) => {
      const first = !failed.has(event.body);
      failed.add(event.body);
      settle(first && (event.body as number) > 1 ? new Error('down') : undefined);
    }, batches),
  );
  await kernel.start();
  await kernel.publishBatch([1, 2, 3].map((body) => ({ type: 'a.b', body })));
  expect(batches[0]).toBe(3);
  expect(batches.slice(1).reduce((sum, size) => sum + size)).toBe(2);
});

test.each([
  ['permanent', {}, new EventsError('EVENTS_TEST', 'no', { permanent: true })],
  ['not worth it', { isRetryable: () => false }, new Error('no')],
  [
    'not told',
    {
      isRetryable: () => {
        throw new Error('broken');
      },
    },
    new Error('no'),
  ],
])('a reason that is %s is final', async (_, publish, reason) => {
  let calls = 0;
  const kernel = kernelWith(
    { publish: { baseDelayMs: 1, ...publish } },
    transportOf((_event, settle) => {
      calls++;
      settle(reason);
    }),
  );
  await kernel.start();
  await expect(kernel.publish('a.b', 1)).rejects.toBe(reason);
  expect(calls).toBe(1);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('a time to wait of %s is none', async (retryAfterMs) => {
  let calls = 0;
  const kernel = kernelWith(
    FAST,
    transportOf((_, settle) =>
      settle(++calls < 3 ? new EventsError('EVENTS_TEST', 'later', { retryAfterMs }) : undefined),
    ),
  );
  await kernel.start();
  await kernel.publish('a.b', 1);
  expect(calls).toBe(3);
});

test('what settles twice is heard once: the first time counts', async () => {
  let calls = 0;
  const kernel = kernelWith(
    FAST,
    transportOf((_, settle) => {
      calls++;
      settle(calls === 1 ? new Error('down') : undefined);
      settle(new Error('down, again'));
      settle();
    }),
  );
  await kernel.start();
  await kernel.publish('a.b', 1);
  expect(calls).toBe(2);
  expect(kernel.stats()).toMatchObject({ published: 1, publishFailed: 0, publishing: 0 });
});

test('twenty thousand that fail together are sent again together', async () => {
  const batches: number[] = [];
  const COUNT = 20_000;
  let left = COUNT;
  const kernel = kernelWith(
    { publish: { baseDelayMs: 0 } },
    transportOf((_, settle) => settle(left-- > 0 ? new Error('down') : undefined), batches),
  );
  await kernel.start();
  await kernel.publishBatch(Array.from({ length: COUNT }, (_, body) => ({ type: 'a.b', body })));
  expect(batches[0]).toBe(COUNT);
  expect(batches.slice(1).reduce((sum, size) => sum + size)).toBe(COUNT);
  expect(batches.length).toBeLessThan(1000);
});

test('a transport that throws has failed, too', async () => {
  let calls = 0;
  const kernel = kernelWith(
    FAST,
    transportOf((_, settle) => {
      if (++calls === 1) throw new Error('broken');
      settle();
    }),
  );
  await kernel.start();
  await kernel.publish('a.b', 1);
  expect(calls).toBe(2);
});

test('a layer below may settle a copy', async () => {
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
  let calls = 0;
  const kernel = kernelWith(
    FAST,
    transportOf((_, settle) => settle(++calls < 3 ? new Error('down') : undefined)),
  ).use(copying);
  await kernel.start();
  await kernel.publish('a.b', 1);
  expect(calls).toBe(3);
});

test('stop waits for no better time: what waits is tried once more', async () => {
  let calls = 0;
  const kernel = kernelWith(
    { publish: { baseDelayMs: 600_000, maxDelayMs: 600_000, jitter: 'none' } },
    transportOf((_, settle) => settle(++calls === 1 ? new Error('down') : undefined)),
  );
  await kernel.start();
  const published = kernel.publish('a.b', 1);
  await until(() => calls === 1, 'the first attempt');
  expect(await kernel.stop(5000)).toEqual({ unsettled: 0, unpublished: 0 });
  await published;
  expect(calls).toBe(2);
});

test('what fails while the kernel stops is settled with its reason', async () => {
  let calls = 0;
  const kernel = kernelWith(
    { publish: { baseDelayMs: 600_000, maxDelayMs: 600_000, jitter: 'none' } },
    transportOf((_, settle) => settle(new Error(`down ${++calls}`))),
  );
  await kernel.start();
  const published = expect(kernel.publish('a.b', 1)).rejects.toThrow('down 2');
  await until(() => calls === 1, 'the first attempt');
  expect(await kernel.stop(5000)).toEqual({ unsettled: 0, unpublished: 0 });
  await published;
});

test('publish: false sends once', async () => {
  let calls = 0;
  const kernel = kernelWith(
    { publish: false },
    transportOf((_, settle) => settle(new Error(`down ${++calls}`))),
  );
  await kernel.start();
  await expect(kernel.publish('a.b', 1)).rejects.toThrow('down 1');
});
