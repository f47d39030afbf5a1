import { memory } from '@logistically/events-memory';
import { expect, test } from 'vitest';
import { bury, buryMany, counted, startNode } from './scene.ts';

const coded = (body: unknown): Error =>
  Object.assign(new Error(`no ${String(body)}`), {
    permanent: true,
    code: Number(body) % 2 ? 'EVENTS_TIMEOUT' : 'E_ODD',
  });

test('pages over topics, classes and partitions give every letter once', async () => {
  const kernel = await startNode({ classification: true }, memory({ partitions: 3 }));
  const numbers = Array.from({ length: 25 }, (_, n) => n);
  await bury(kernel, numbers, 'order.placed', coded, 3);
  await bury(kernel, numbers, 'user.created', coded, 3);
  const seen: string[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    const page = await kernel.dlq.list({ limit: 7, ...(after !== undefined && { after }) });
    expect(page.letters.length).toBeLessThanOrEqual(7);
    seen.push(...page.letters.map(({ id }) => id));
    after = page.next;
    pages++;
  } while (after !== undefined);
  expect(pages).toBe(8);
  expect(new Set(seen).size).toBe(50);
  expect(seen).toHaveLength(50);
});

test('a filter is kept by every letter', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2, 3], 'order.placed', coded);
  await bury(kernel, [4], 'user.created', coded);
  const bodies = async (filter: Parameters<typeof kernel.dlq.list>[0]): Promise<unknown[]> =>
    (await kernel.dlq.list(filter)).letters.map(({ envelope }) => envelope?.body);
  const [first] = (await kernel.dlq.list()).letters;
  expect(await bodies({ topic: 'order-events' })).toEqual([1, 2, 3]);
  expect(await bodies({ topic: 'order' })).toEqual([]);
  expect(await bodies({ class: 'timeout' })).toEqual([1, 3]);
  expect(await bodies({ type: 'user.created' })).toEqual([4]);
  expect(await bodies({ code: 'E_ODD' })).toEqual([2, 4]);
  expect(await bodies({ fingerprint: first?.fingerprint as string })).toEqual([1, 3]);
  expect(await bodies({ group: 'shop' })).toEqual([1, 2, 3, 4]);
  expect(await bodies({ group: 'other' })).toEqual([]);
  expect(await bodies({ from: new Date(Date.now() + 1000) })).toEqual([]);
  expect(await bodies({ to: new Date(Date.now() + 1000) })).toHaveLength(4);
  expect(await bodies({ to: new Date(0) })).toEqual([]);
});

test('a letter is got by its id; what is none is refused', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2]);
  const [, second] = (await kernel.dlq.list()).letters;
  expect(await kernel.dlq.get(second?.id as string)).toEqual(second);
  expect(await kernel.dlq.get('dlq:order-events/0/999')).toBeUndefined();
  for (const id of ['', 'order-events/0/1', 'dlq:order-events', 'dlq:order-events/x/1'])
    await expect(kernel.dlq.get(id)).rejects.toMatchObject({ code: 'EVENTS_DLQ_ID' });
  await expect(kernel.dlq.get('redis://:geheim@host')).rejects.toThrow(/^That is no id/);
});

test('stats count by class, code and fingerprint', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2, 3], 'order.placed', coded);
  await bury(kernel, [4], 'user.created', coded);
  const [first] = (await kernel.dlq.list()).letters;
  const stats = await kernel.dlq.stats();
  expect(stats).toMatchObject({
    depth: 4,
    oldest: first?.failedAt,
    byClass: { timeout: 2, processing: 2 },
    byCode: { EVENTS_TIMEOUT: 2, E_ODD: 2 },
    truncated: false,
  });
  expect(stats.byFingerprint.map(({ count }) => count)).toEqual([2, 2]);
  expect((await kernel.dlq.stats('user-events')).depth).toBe(1);
});

test('what is more than a page is read to its end, once', async () => {
  const inner = memory();
  await buryMany(await startNode({}, inner), 2001);
  const { transport, count } = counted(inner, 5);
  const kernel = await startNode({}, transport);
  const { letters, next } = await kernel.dlq.list({ limit: 3000 });
  expect(new Set(letters.map(({ id }) => id)).size).toBe(2001);
  expect({ length: letters.length, next, pages: count.pages }).toEqual({ length: 2001, next: undefined, pages: 3 });
});
