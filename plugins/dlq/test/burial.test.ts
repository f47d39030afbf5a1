import { hostname } from 'node:os';
import { createKernel, EventsError, type Handoff } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type DlqOptions, dlq } from '../src/index.ts';
import { bury, heard, quiet, startNode, until } from './scene.ts';

const permanent = (message: string, code?: string): Error =>
  Object.assign(new Error(message), { permanent: true, ...(code && { code }) });

test('without a retry plugin the fourth failure is the last, and the letter tells all of it', async () => {
  const transport = memory({ redeliverMs: 1, partitions: 2 });
  const kernel = await startNode({}, transport);
  const notices = heard(kernel, 'notice');
  const attempts: number[] = [];
  await kernel.subscribe('order.placed', (_, { attempt }) => {
    attempts.push(attempt);
    throw Object.assign(new Error('stock of 17 is gone'), { code: 'E_STOCK' });
  });
  await kernel.publish('order.placed', { id: 7 }, { partition: 1 });
  await until(async () => (await kernel.dlq.stats()).depth === 1, 'it is dead');
  expect(attempts).toEqual([1, 2, 3, 4]);
  const [letter] = (await kernel.dlq.list()).letters;
  const [stored] = await transport.capabilities.log.read('order-events', { partition: 1 });
  expect(letter).toMatchObject({
    topic: 'order-events',
    dlqTopic: 'dlq:order-events',
    partition: 1,
    class: 'processing',
    cursor: stored?.cursor,
    group: 'shop',
    consumer: `shop@${hostname()}:${process.pid}`,
    type: 'order.placed',
    error: { name: 'Error', message: 'stock of 17 is gone', code: 'E_STOCK' },
    attempts: 4,
    redrives: 0,
    envelope: { body: { id: 7 } },
    payload: stored?.payload,
  });
  expect(letter && letter.firstFailedAt <= letter.failedAt).toBe(true);
  expect(notices).toEqual([
    {
      plugin: 'dlq',
      what: 'dead-letter',
      detail: {
        topic: 'order-events',
        class: 'processing',
        code: 'E_STOCK',
        fingerprint: letter?.fingerprint,
      },
    },
  ]);
});

test('what is planned again is left alone, however often it came', async () => {
  const kernel = await startNode({ maxAttempts: 2 });
  let calls = 0;
  await kernel.subscribe('order.placed', () => {
    if (++calls < 6) throw new EventsError('EVENTS_RETRY_SCHEDULED', 'later', { retryAfterMs: 1 });
  });
  await kernel.publish('order.placed', 1);
  await until(() => calls === 6, 'it is handled in the end');
  expect((await kernel.dlq.stats()).depth).toBe(0);
});

test('what is permanent dies at once, and tells the error of the handler', async () => {
  const kernel = await startNode();
  await bury(kernel, [1], 'order.placed', () => {
    const cause = Object.assign(new Error('own'), { code: 'E_OWN' });
    return new EventsError('EVENTS_RETRY_EXHAUSTED', 'wrapped', { permanent: true, cause });
  });
  expect((await kernel.dlq.list()).letters).toMatchObject([{ attempts: 1, error: { message: 'own', code: 'E_OWN' } }]);
});

test('an entry that is no event is kept raw', async () => {
  const transport = memory();
  const kernel = await startNode({}, transport);
  const undecodable = heard(kernel, 'undecodable');
  const foreign = createKernel({
    service: 'other',
    codec: {
      name: 'foreign',
      encode: () => '{"not":',
      decode: () => {
        throw new Error('never');
      },
    },
  }).use(transport);
  await foreign.start();
  await kernel.subscribe('order.placed', () => {});
  await foreign.publish('order.placed', 1);
  await until(async () => (await kernel.dlq.stats()).depth === 1, 'it is kept');
  await foreign.stop();
  const [letter] = (await kernel.dlq.list()).letters;
  expect(letter).toMatchObject({
    envelope: undefined,
    type: undefined,
    payload: '{"not":',
    class: 'validation',
    error: { code: 'EVENTS_UNDECODABLE' },
  });
  expect(undecodable).toEqual([]);
});

test.each<[NonNullable<DlqOptions['classification']>, string[]]>([
  [false, ['dlq:order-events', 'dlq:order-events', 'dlq:order-events']],
  [true, ['dlq:order-events:processing', 'dlq:order-events:timeout', 'dlq:order-events:validation']],
  [
    { classify: (error) => ((error as Error).message === 'a' ? 'own' : 'no class!') },
    ['dlq:order-events:own', 'dlq:order-events:timeout', 'dlq:order-events:validation'],
  ],
  [
    {
      classify: () => {
        throw new Error('broken');
      },
    },
    ['dlq:order-events:processing', 'dlq:order-events:timeout', 'dlq:order-events:validation'],
  ],
])('with classification %j the topic is that of the class', async (classification, topics) => {
  const kernel = await startNode({ classification });
  const codes: Record<string, string> = { b: 'EVENTS_TIMEOUT', c: 'EVENTS_UNDECODABLE' };
  await bury(kernel, ['a', 'b', 'c'], 'order.placed', (body) => permanent(String(body), codes[String(body)]));
  expect((await kernel.dlq.list()).letters.map(({ dlqTopic }) => dlqTopic)).toEqual(topics);
});

test('what cannot be stored stays, comes again after a wait, and is stored then', async () => {
  const transport = memory({ redeliverMs: 1 });
  const { handoff } = transport.capabilities;
  let isFull = true;
  const move: Handoff['move'] = async (...args) => {
    if (isFull) throw new Error('no space');
    await handoff.move(...args);
  };
  const full = { ...transport, capabilities: { ...transport.capabilities, handoff: { ...handoff, move } } };
  const kernel = await startNode({ retryMs: 20 }, full);
  const failed = heard(kernel, 'failed');
  const errors = heard(kernel, 'error');
  const undecodable = heard(kernel, 'undecodable');
  let calls = 0;
  await kernel.subscribe('order.placed', () => {
    calls++;
    throw new EventsError('EVENTS_UNDECODABLE', 'so it says', { permanent: true });
  });
  await kernel.publish('order.placed', 1);
  await until(() => calls === 3, 'it comes again');
  expect((await kernel.dlq.stats()).depth).toBe(0);
  expect(failed[0]?.reason).toMatchObject({ code: 'EVENTS_DLQ_NOT_STORED', retryAfterMs: 20 });
  expect(errors[0]).toMatchObject({ source: 'dlq', reason: { message: 'no space' } });
  expect(undecodable).toEqual([]);
  isFull = false;
  await until(async () => (await kernel.dlq.stats()).depth === 1, 'there is space again');
});

test('the first failure is remembered over a restart, by the store', async () => {
  const transport = memory({ redeliverMs: 1 });
  const first = await startNode({ maxAttempts: 2 }, transport);
  await first.subscribe('order.placed', () => {
    throw new EventsError('EVENTS_TEST', 'later', { retryAfterMs: 60 });
  });
  const failed = heard(first, 'failed');
  await first.publish('order.placed', 1);
  await until(() => failed.length === 1, 'it failed once');
  await first.stop();
  const restartedAt = new Date().toISOString();
  const second = await startNode({ maxAttempts: 2 }, transport);
  await second.subscribe('order.placed', () => {
    throw new Error('again');
  });
  await until(async () => (await second.dlq.stats()).depth === 1, 'it is dead');
  const [letter] = (await second.dlq.list()).letters;
  expect(letter && letter.firstFailedAt <= restartedAt && letter.failedAt > restartedAt).toBe(true);
});

test('the poisonMessageHandler is told, and what it throws stops nothing', async () => {
  const handler = vi.fn(async () => {
    throw new Error('broken');
  });
  const kernel = await startNode({ poisonMessageHandler: handler });
  await bury(kernel, [1, 2], 'order.placed', () => permanent('no'));
  expect(handler).toHaveBeenCalledTimes(2);
  expect(handler).toHaveBeenCalledWith(
    expect.objectContaining({ body: 1 }),
    expect.objectContaining({ message: 'no' }),
    expect.objectContaining({ topic: 'order-events', dlqTopic: 'dlq:order-events', attempts: 1, group: 'shop' }),
  );
});

test('a dead letter that is consumed and fails stays where it is', async () => {
  const transport = memory({ redeliverMs: 1 });
  await bury(await startNode({}, transport), [1]);
  const reader = createKernel({ service: 'reader', logger: quiet, topics: { topicOf: () => 'dlq:order-events' } })
    .use(transport)
    .use(dlq());
  onTestFinished(async () => {
    await reader.stop();
  });
  const attempts: number[] = [];
  await reader.subscribe(
    'order.placed',
    (_, { attempt }) => {
      attempts.push(attempt);
      // Not for ever: were it moved, it would come anew without a pause, and nothing else would.
      if (attempts.length < 4) throw permanent('no');
    },
    { from: 'earliest' },
  );
  await reader.start();
  await until(() => attempts.length === 4, 'it comes again');
  expect(attempts).toEqual([1, 2, 3, 4]);
  expect(await transport.capabilities.log.topics()).toEqual(['order-events', 'dlq:order-events']);
});

const hostile = (): never => {
  throw new Error('hostile');
};
const { proxy, revoke } = Proxy.revocable(new Error('x'), {});
revoke();

test.each<[string, unknown]>([
  ['a code that is no text', Object.assign(permanent('no'), { code: Object.create(null) })],
  ['a code that throws', Object.assign(permanent('no'), { code: { toString: hostile } })],
  ['a property that throws', Object.defineProperty({}, 'permanent', { get: hostile })],
  ['a revoked proxy', proxy],
])('an error with %s is buried like any other', async (_, thrown) => {
  const kernel = await startNode({ maxAttempts: 2 });
  const errors = heard(kernel, 'error');
  await bury(kernel, [1], 'order.placed', () => thrown);
  expect(errors).toEqual([]);
});

test('what is too long for a topic of its class goes to that of all classes', async () => {
  const kernel = await startNode({ classification: true });
  const entity = 'a'.repeat(238);
  await bury(kernel, [1], `${entity}.placed`);
  expect((await kernel.dlq.list()).letters).toMatchObject([
    { dlqTopic: `dlq:${entity}-events`, class: 'processing', topic: `${entity}-events` },
  ]);
});

test('what a stop has ended is no attempt: deploys make nothing dead', async () => {
  const transport = memory({ redeliverMs: 1 });
  const attempts: number[] = [];
  for (let deploy = 1; deploy <= 4; deploy++) {
    const kernel = await startNode({ maxAttempts: 2 }, transport);
    const failed = heard(kernel, 'failed');
    await kernel.subscribe('order.placed', (_, { attempt, signal }) => {
      attempts.push(attempt);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('closed'))));
    });
    if (deploy === 1) await kernel.publish('order.placed', 1);
    await until(() => attempts.length === deploy, 'it is being handled');
    await kernel.stop(500);
    expect(failed[0]?.reason).toMatchObject({
      code: 'EVENTS_DLQ_INTERRUPTED',
      uncounted: true,
      cause: { message: 'closed' },
    });
    expect((await (await startNode({}, transport)).dlq.stats()).depth).toBe(0);
  }
  expect(attempts).toEqual([1, 1, 1, 1]);
});

test('what is permanent is dead, also when a stop comes', async () => {
  const transport = memory({ redeliverMs: 1 });
  const kernel = await startNode({}, transport);
  let calls = 0;
  await kernel.subscribe('order.placed', (_, { signal }) => {
    calls++;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(permanent('no'))));
  });
  await kernel.publish('order.placed', 1);
  await until(() => calls === 1, 'it is being handled');
  await kernel.stop(500);
  expect((await (await startNode({}, transport)).dlq.stats()).depth).toBe(1);
});

test('switched off it moves nothing, and shows what is there', async () => {
  const transport = memory({ redeliverMs: 1 });
  await bury(await startNode({}, transport), [1]);
  const kernel = await startNode({ enabled: false, maxAttempts: 1 }, transport);
  const failed = heard(kernel, 'failed');
  await kernel.subscribe('order.placed', () => {
    throw permanent('no');
  });
  await kernel.publish('order.placed', 2);
  await until(() => failed.length > 2, 'it comes again and again');
  expect((await kernel.dlq.stats()).depth).toBe(1);
});
