import type { Envelope } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { expect, test } from 'vitest';
import { bury, buryMany, type Node, startNode, until, watched } from './scene.ts';

const collect = async (kernel: Node, type: string): Promise<Envelope[]> => {
  const events: Envelope[] = [];
  await kernel.subscribe(type, (event) => void events.push(event));
  return events;
};

const totalOf = (envelope: Envelope | undefined): unknown => (envelope?.body as { total?: unknown } | undefined)?.total;

const ids = async (kernel: Node): Promise<string[]> => (await kernel.dlq.list()).letters.map(({ id }) => id);

test('a redriven event is the same event, in its partition, and is no dead letter any more', async () => {
  const transport = memory({ redeliverMs: 1, partitions: 3 });
  const kernel = await startNode({}, transport);
  await bury(kernel, [1, 2, 3, 4, 5, 6], 'order.placed', undefined, 3);
  const { letters } = await kernel.dlq.list();
  const partitions: Record<string, number> = {};
  await kernel.subscribe('order.placed', ({ header }, { partition }) => {
    partitions[header.id] = partition;
  });
  const progress: number[] = [];
  const report = await kernel.dlq.redrive({ filter: {}, onProgress: ({ redriven }) => progress.push(redriven) });
  expect(report).toMatchObject({ redriven: 6, gone: 0, refused: 0, failed: 0, dryRun: false, stopped: false });
  expect(report.outcomes).toEqual([]);
  expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
  await until(() => Object.keys(partitions).length === 6, 'all are handled');
  for (const { envelope, partition, payload } of letters) {
    expect(partitions[envelope?.header.id as string]).toBe(partition);
    const stored = await transport.capabilities.log.read('order-events', { partition });
    expect(stored.filter((entry) => entry.payload === payload)).toHaveLength(2);
  }
  expect((await kernel.dlq.stats()).depth).toBe(0);
});

test('a selection is needed, and is kept', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2], 'order.placed');
  await bury(kernel, [3], 'user.created', () => Object.assign(new Error('other'), { permanent: true }));
  for (const act of [kernel.dlq.redrive, kernel.dlq.purge])
    await expect(act({})).rejects.toMatchObject({ code: 'EVENTS_DLQ_SELECTION' });
  const [first, , third] = (await kernel.dlq.list()).letters;
  const dryRun = true;
  const chosen = async (selection: Parameters<typeof kernel.dlq.purge>[0]): Promise<string[]> =>
    (await kernel.dlq.purge({ ...selection, dryRun })).outcomes.map(({ id }) => id);
  expect(await chosen({ ids: [first?.id as string, first?.id as string] })).toEqual([first?.id]);
  expect(await chosen({ topic: 'user-events' })).toEqual([third?.id]);
  expect(await chosen({ fingerprint: third?.fingerprint as string })).toEqual([third?.id]);
  expect(await chosen({ filter: { type: 'order.placed' }, topic: 'user-events' })).toEqual([]);
  expect(await chosen({ filter: {} })).toHaveLength(3);
});

test('a dry run changes nothing, and asks as the real one does', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2]);
  const before = await kernel.dlq.list();
  const report = await kernel.dlq.redrive({
    filter: {},
    dryRun: true,
    validate: ({ envelope }) => envelope?.body === 1,
  });
  expect(report).toMatchObject({ dryRun: true, redriven: 1, refused: 1 });
  expect(await kernel.dlq.purge({ filter: {}, dryRun: true })).toMatchObject({ purged: 2 });
  expect(await kernel.dlq.list()).toEqual(before);
});

test('what dies once more counts on, one run takes it once, and after three that is enough', async () => {
  const kernel = await startNode();
  const fail = () => Object.assign(new Error('no'), { permanent: true });
  await bury(kernel, [1], 'order.placed', fail);
  const [first] = (await kernel.dlq.list()).letters;
  let calls = 0;
  await kernel.subscribe('order.placed', () => {
    calls++;
    throw fail();
  });
  for (const redrives of [1, 2, 3]) {
    expect(await kernel.dlq.redrive({ filter: {} })).toMatchObject({ redriven: 1 });
    await until(async () => (await kernel.dlq.list()).letters[0]?.redrives === redrives, 'it died once more');
  }
  const [last] = (await kernel.dlq.list()).letters;
  expect(last).toMatchObject({ firstFailedAt: first?.firstFailedAt, fingerprint: expect.any(String) });
  const guarded = await kernel.dlq.redrive({ filter: {} });
  expect(guarded).toMatchObject({ redriven: 0, refused: 1 });
  expect(guarded.outcomes[0]?.reason).toMatchObject({ code: 'EVENTS_DLQ_REFUSED' });
  expect(calls).toBe(3);
  expect(await kernel.dlq.redrive({ filter: {}, force: true })).toMatchObject({ redriven: 1 });
});

test('an edited event keeps its id and has the new body and headers', async () => {
  const kernel = await startNode();
  await bury(kernel, [{ total: 'x' }, { total: 2 }]);
  const { letters } = await kernel.dlq.list();
  const events = await collect(kernel, 'order.placed');
  await kernel.dlq.redrive({
    filter: {},
    edit: ({ envelope }) =>
      totalOf(envelope) === 'x' ? { body: { total: 1 }, headers: { mended: 'yes' } } : undefined,
    validate: ({ envelope }) => typeof totalOf(envelope) === 'number',
  });
  await until(() => events.length === 2, 'both are handled');
  expect(events.map(({ body }) => body)).toEqual([{ total: 1 }, { total: 2 }]);
  expect(events.map(({ header }) => header.id)).toEqual(letters.map(({ envelope }) => envelope?.header.id));
  expect(events.map(({ header }) => header.headers)).toEqual([{ mended: 'yes' }, undefined]);
});

test('what edit or validate refuse, and what throws in them, stays', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2, 3]);
  const report = await kernel.dlq.redrive({
    filter: {},
    edit: ({ envelope }) => {
      if (envelope?.body === 1) throw new Error('cannot');
      return envelope?.body === 2 ? { body: 10n } : undefined;
    },
    validate: () => false,
  });
  expect(report).toMatchObject({ redriven: 0, refused: 3 });
  expect(report.outcomes.map(({ reason }) => (reason as { code: string }).code)).toEqual(
    Array(3).fill('EVENTS_DLQ_REFUSED'),
  );
  expect(await ids(kernel)).toHaveLength(3);
});

test('edit and validate may take their time', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2]);
  const events = await collect(kernel, 'order.placed');
  const report = await kernel.dlq.redrive({
    filter: {},
    edit: async ({ envelope }) => ({ body: Number(envelope?.body) * 10 }),
    validate: async ({ envelope }) => envelope?.body !== 10,
  });
  expect(report).toMatchObject({ redriven: 1, refused: 1, outcomes: [{ outcome: 'refused' }] });
  await until(() => events.length === 1, 'the valid one is handled');
  expect(events[0]?.body).toBe(20);
});

test('a report tells at most 1000 of what was not done, and of what a dry run would do; the counts are of all', async () => {
  const kernel = await startNode();
  await buryMany(kernel, 1200);
  const refused = await kernel.dlq.redrive({ filter: {}, maxRedrives: 0 });
  expect({ ...refused, outcomes: refused.outcomes.length }).toMatchObject({ refused: 1200, outcomes: 1000 });
  const tried = await kernel.dlq.purge({ filter: {}, dryRun: true });
  expect({ ...tried, outcomes: tried.outcomes.length }).toMatchObject({ purged: 1200, outcomes: 1000 });
  expect(await kernel.dlq.purge({ filter: {} })).toMatchObject({ purged: 1200, outcomes: [] });
});

test('a run that is ended is gone on with by the next: each letter is sent once', async () => {
  const kernel = await startNode();
  const sent = await buryMany(kernel, 50);
  const events = await collect(kernel, 'order.placed');
  const trail = await collect(kernel, 'dlq.redriven');
  const stop = new AbortController();
  const first = await kernel.dlq.redrive({
    filter: { class: 'processing' },
    signal: stop.signal,
    onProgress: ({ redriven }) => {
      if (redriven === 20) stop.abort();
    },
  });
  expect(first).toMatchObject({ redriven: 20, stopped: true });
  const second = await kernel.dlq.redrive({ filter: { class: 'processing' }, limit: 10 });
  expect(second).toMatchObject({ redriven: 10, stopped: false });
  expect(await kernel.dlq.redrive({ filter: { class: 'processing' } })).toMatchObject({ redriven: 20, gone: 0 });
  await until(() => events.length === 50 && trail.length === 3, 'all are handled');
  expect(new Set(events.map(({ header }) => header.id))).toEqual(new Set(sent));
  expect(trail.map(({ body }) => (body as { ids: string[] }).ids.length)).toEqual([20, 10, 20]);
});

test('the trail tells what was done before the broker failed', async () => {
  const inner = memory({ redeliverMs: 1 });
  const kernel = await startNode({}, inner);
  await buryMany(kernel, 1001);
  const trail = await collect(kernel, 'dlq.purged');
  let pages = 0;
  const broken = watched(inner, () => {
    if (++pages === 2) throw new Error('gone away');
  });
  const tool = await startNode({}, broken);
  await expect(tool.dlq.purge({ filter: {}, by: 'ann' })).rejects.toThrow('gone away');
  await until(() => trail.length === 3, 'the trail is complete');
  expect(trail[2]?.body).toMatchObject({ by: 'ann', counts: { purged: 1000 } });
});

test.each([{ limit: 0 }, { limit: 1.5 }, { perSecond: -1 }, { to: 'nobody' as 'all' }])(
  'a redrive with %j is refused, and leaves no trail',
  async (options) => {
    const transport = memory();
    const kernel = await startNode({}, transport);
    await expect(kernel.dlq.redrive({ filter: {}, ...options })).rejects.toMatchObject({ code: 'EVENTS_CONFIG' });
    await expect(kernel.dlq.redrive({ ids: ['x'] })).rejects.toMatchObject({ code: 'EVENTS_DLQ_ID' });
    expect(await transport.capabilities.log.topics()).toEqual([]);
  },
);

test('two that redrive at once send each letter once', async () => {
  const kernel = await startNode();
  const numbers = Array.from({ length: 50 }, (_, n) => n);
  await bury(kernel, numbers);
  const events = await collect(kernel, 'order.placed');
  const all = await ids(kernel);
  const reports = await Promise.all([kernel.dlq.redrive({ ids: all }), kernel.dlq.redrive({ ids: all })]);
  expect(reports.reduce((sum, { redriven }) => sum + redriven, 0)).toBe(50);
  expect(reports.reduce((sum, { gone }) => sum + gone, 0)).toBe(50);
  await until(() => events.length === 50, 'all are handled');
  expect(events.map(({ body }) => body).sort((a, b) => Number(a) - Number(b))).toEqual(numbers);
});

test('of three that are forced at once none takes what another one has brought back', async () => {
  const kernel = await startNode();
  await buryMany(kernel, 1500);
  let calls = 0;
  await kernel.subscribe(
    'order.placed',
    () => {
      calls++;
      throw Object.assign(new Error('no'), { permanent: true });
    },
    { concurrency: 500 },
  );
  const signal = AbortSignal.timeout(5000);
  const run = () => kernel.dlq.redrive({ filter: {}, force: true, signal, perSecond: 3000 });
  const reports = await Promise.all([run(), run(), run()]);
  expect(reports.map(({ stopped }) => stopped)).toEqual([false, false, false]);
  await until(async () => (await kernel.dlq.stats()).depth === 1500, 'all are dead again');
  expect(calls).toBeLessThanOrEqual(4500);
  expect(await kernel.dlq.redrive({ filter: {}, force: true, limit: 1 })).toMatchObject({ redriven: 1 });
});

test('purged is gone for good, and a second time there is nothing', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2]);
  const [first, second] = await ids(kernel);
  expect(await kernel.dlq.purge({ ids: [first as string] })).toMatchObject({ purged: 1, gone: 0 });
  expect(await kernel.dlq.purge({ ids: [first as string] })).toMatchObject({ purged: 0, gone: 1 });
  expect(await ids(kernel)).toEqual([second]);
});

test('perSecond does not hold back behind the last', async () => {
  const kernel = await startNode();
  await bury(kernel, [1]);
  expect(await kernel.dlq.redrive({ filter: {}, perSecond: 0.001 })).toMatchObject({ redriven: 1, stopped: false });
});

test('perSecond holds back, and stop ends what waits', async () => {
  const kernel = await startNode();
  await bury(kernel, [1, 2, 3]);
  const running = kernel.dlq.redrive({ filter: {}, perSecond: 0.01 });
  await until(async () => (await kernel.dlq.stats()).depth === 2, 'the first is sent again');
  await kernel.stop();
  expect(await running).toMatchObject({ redriven: 1, failed: 0, stopped: true });
  await expect(kernel.dlq.redrive({ filter: {}, perSecond: 0 })).rejects.toMatchObject({ code: 'EVENTS_CONFIG' });
});

test('each redrive and purge is published, with who and what; a dry run is not', async () => {
  const kernel = await startNode();
  const trail = await collect(kernel, 'dlq.*');
  await bury(
    kernel,
    Array.from({ length: 501 }, (_, n) => n),
  );
  const all = (await kernel.dlq.list({ limit: 1000 })).letters.map(({ id }) => id);
  await kernel.dlq.redrive({ filter: {}, dryRun: true, by: 'ann' });
  await kernel.dlq.redrive({ topic: 'order-events', by: 'ann' });
  await kernel.dlq.purge({ ids: ['dlq:order-events/0/9'], by: 'bob' });
  await until(() => trail.length === 3, 'the trail is complete');
  expect(trail.map(({ header }) => header.type)).toEqual(['dlq.redriven', 'dlq.redriven', 'dlq.purged']);
  expect(trail[0]?.body).toMatchObject({ by: 'ann', selection: { topic: 'order-events' }, ids: all.slice(0, 500) });
  expect(trail[1]?.body).toMatchObject({ ids: all.slice(500), counts: { redriven: 501 } });
  expect(trail[2]?.body).toMatchObject({ by: 'bob', selection: { ids: 1 }, ids: [], counts: { gone: 1 } });
});

test('with audit: false nothing is published', async () => {
  const transport = memory();
  const kernel = await startNode({ audit: false }, transport);
  await bury(kernel, [1]);
  await kernel.dlq.purge({ filter: {} });
  expect(await transport.capabilities.log.topics()).not.toContain('dlq-events');
});
