import { createKernel, type OutgoingEvent } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { expect, test } from 'vitest';
import type { Batch } from '../src/entry.ts';
import { Lanes } from '../src/lanes.ts';
import { settingsOf } from '../src/options.ts';
import { Queue } from '../src/queue.ts';

const events = async (...given: readonly (readonly [type: string, key?: string])[]): Promise<OutgoingEvent[]> => {
  const seen: OutgoingEvent[] = [];
  const kernel = await createKernel({ service: 'shop' })
    .use(memory())
    .use({
      kind: 'middleware',
      name: 'seen',
      publish: {
        stage: 'observe',
        layer: (next) => (batch, settle) => {
          seen.push(...batch);
          next(batch, settle);
        },
      },
    })
    .start();
  await kernel.publishBatch(given.map(([type, key]) => ({ type, body: 1, ...(key !== undefined && { key }) })));
  await kernel.stop();
  return seen;
};

const scene = () => {
  const ready = new Queue<Batch>();
  const lanes = new Lanes(settingsOf({ groupBy: 'exact' }), ready);
  const add = (event: OutgoingEvent | undefined) =>
    lanes.add({ event: event as OutgoingEvent, settle: () => {}, bytes: 1, epoch: { open: 1, onDone: [] }, until: 0 });
  return { ready, lanes, add };
};

test('only the lanes that have waited long enough are cut, and the oldest tells since when', async () => {
  const [first, second] = await events(['user.created'], ['user.deleted']);
  const { ready, lanes, add } = scene();
  expect(lanes.since).toBe(Number.POSITIVE_INFINITY);
  add(first);
  const { since } = lanes;
  while (performance.now() === since);
  add(second);
  expect(lanes.since).toBe(since);
  lanes.cutBefore(since);
  expect([ready.size, [...(ready.first?.open.keys() ?? [])]]).toEqual([1, [first]]);
  expect(lanes.since).toBeGreaterThan(since);
});

test('a key cuts the lane in which its last event waits, and none in which it waits no more', async () => {
  const [first, other, second, third] = await events(
    ['user.created', 'k1'],
    ['user.created', 'k2'],
    ['user.deleted', 'k1'],
    ['user.created', 'k1'],
  );
  const { ready, lanes, add } = scene();
  add(first);
  lanes.cutAll();
  add(other);
  add(second);
  expect(ready.size).toBe(1);
  add(third);
  expect([ready.size, [...(ready.first?.open.keys() ?? [])]]).toEqual([2, [first]]);
});
