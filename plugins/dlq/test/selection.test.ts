import { expect, test } from 'vitest';
import { bury, type Node, startNode } from './scene.ts';

type Query = Parameters<Node['dlq']['purge']>[0];

const SELECTION = { code: 'EVENTS_DLQ_SELECTION' };
const CONFIG = { code: 'EVENTS_CONFIG' };

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'all'],
  ['no part of a selection', { limit: 1 }],
  ['a fingerprint that is undefined', { fingerprint: undefined }],
  ['a topic, and a fingerprint that is undefined', { topic: 'order-events', fingerprint: undefined }],
  ['a fingerprint that is null', { fingerprint: null }],
  ['a filter that is null', { filter: null }],
  ['a filter that is an array', { filter: [] }],
  ['a part of the filter that is undefined', { filter: { class: undefined } }],
  ['a time that is undefined', { filter: { to: undefined } }],
  ['a misspelt part of the filter', { filter: { klass: 'timeout' } }],
  ['a misspelt part of the selection', { filter: {}, fingerprnt: 'x' }],
  ['ids that are a text', { ids: 'dlq:order-events/0/1' }],
  ['ids that are undefined', { filter: {}, ids: undefined }],
])('%s is no selection, for redrive and purge alike', async (_, query) => {
  const kernel = await startNode();
  await bury(kernel, [1]);
  for (const act of [kernel.dlq.redrive, kernel.dlq.purge])
    await expect(act(query as Query)).rejects.toMatchObject(SELECTION);
  expect((await kernel.dlq.stats()).depth).toBe(1);
});

test.each<object>([
  { filter: { from: new Date('x') } },
  { filter: { to: '2026-01-01' } },
  { filter: {}, dryRun: 'false' },
  { filter: {}, limit: Number.NaN },
  { filter: {}, by: 7 },
  { filter: {}, onProgress: true },
])('%j is refused, for redrive and purge alike', async (query) => {
  const kernel = await startNode();
  for (const act of [kernel.dlq.redrive, kernel.dlq.purge])
    await expect(act(query as Query)).rejects.toMatchObject(CONFIG);
});

test.each<object>([
  { maxRedrives: Number.NaN },
  { maxRedrives: '3' },
  { maxRedrives: -1 },
  { perSecond: '5' },
  { force: 'no' },
  { edit: {} },
  { validate: 'yes' },
])('a redrive with %j is refused', async (options) => {
  const kernel = await startNode();
  await expect(kernel.dlq.redrive({ filter: {}, ...options })).rejects.toMatchObject(CONFIG);
});

test('a purge takes nothing that only a redrive knows', async () => {
  const kernel = await startNode();
  await expect(kernel.dlq.purge({ filter: {}, force: true } as Query)).rejects.toMatchObject(SELECTION);
});

test('list and stats refuse what they do not know', async () => {
  const { dlq } = await startNode();
  for (const options of [{ klass: 'timeout' }, { class: 5 }])
    await expect(dlq.list(options as object)).rejects.toMatchObject(SELECTION);
  for (const options of [{ limit: 0 }, { limit: -5 }, { limit: Number.NaN }, { from: new Date('x') }])
    await expect(dlq.list(options)).rejects.toMatchObject(CONFIG);
  await expect(dlq.list(null as never)).rejects.toMatchObject(CONFIG);
  await expect(dlq.stats({} as never)).rejects.toMatchObject(SELECTION);
  expect((await dlq.list({ class: undefined } as object)).letters).toEqual([]);
});

test.each<[string, unknown]>([
  ['a misspelt part', { boby: 1 }],
  ['a text', 'x'],
])('what edit gives is refused where it is %s', async (_, edit) => {
  const kernel = await startNode();
  await bury(kernel, [1]);
  const report = await kernel.dlq.redrive({ filter: {}, edit: () => edit as object });
  expect(report).toMatchObject({ redriven: 0, refused: 1, outcomes: [{ reason: { code: 'EVENTS_DLQ_REFUSED' } }] });
});

test('the name of a dead letter topic means what is in it, everywhere alike', async () => {
  const kernel = await startNode({ classification: true });
  await bury(kernel, [1, 2, 3], 'order.placed', (body) =>
    Object.assign(new Error('no'), { permanent: true, ...(body === 2 && { code: 'EVENTS_TIMEOUT' }) }),
  );
  for (const [topic, count] of [
    ['order-events', 3],
    ['dlq:order-events:timeout', 1],
    ['dlq:order-events:processing', 2],
    ['dlq:order-events', 0],
  ] as const) {
    expect((await kernel.dlq.stats(topic)).depth).toBe(count);
    expect((await kernel.dlq.list({ topic })).letters).toHaveLength(count);
    expect(await kernel.dlq.purge({ topic, dryRun: true })).toMatchObject({ purged: count });
    expect(await kernel.dlq.purge({ filter: { topic }, dryRun: true })).toMatchObject({ purged: count });
  }
});
