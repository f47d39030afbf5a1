import { type RedisService, redis } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let server: RedisService;
beforeAll(async () => {
  server = await redis({ exclusive: true });
});
afterAll(() => server.stop());

let count = 0;
const newPrefix = (): string => `retention-${++count}`;

/** How many entries more there may be: trimming comes with every hundredth. */
const SLACK = 100;

/** A stream that is new is left alone for some seconds, so that its groups can find it. */
const beginLongAgo = async ({ keys }: State): Promise<void> => {
  await server.cli('XADD', keys.stream('order-events', 0), '1-0', 'e', 'old');
};

describe.concurrent('retention', () => {
  test('never removes what a slow group has not settled, and does when it has', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail(['fast', 'slow']);
    await using node = await startNode({ url: server.url, prefix, retention: { maxLength: 10 } });
    await beginLongAgo(state);
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await node.kernel.subscribe('order.*', trail.handler('fast'), { group: 'fast', concurrency: 100 });
    await node.kernel.subscribe(
      'order.*',
      trail.handler('slow', () => released),
      { group: 'slow', concurrency: 7 },
    );
    for (let n = 0; n < 1000; n += 100) await trail.publishAll(node.kernel, 'order.placed', n + 1, n + 100);
    expect(await state.length('order-events')).toBe(1000);
    release();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
    for (let n = 1000; n < 1500; n += 100) await trail.publishAll(node.kernel, 'order.placed', n + 1, n + 100);
    await trail.whenComplete();
    await trail.publishAll(node.kernel, 'order.placed', 1501, 1600);
    await until(async () => (await state.length('order-events')) <= 10 + SLACK, 'the stream is short again');
    await trail.whenComplete();
  });

  test('never removes what waits for its next attempt', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix, retention: { maxLength: 10 }, redeliverMs: 2000 });
    await beginLongAgo(state);
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', (n, { attempt }) => {
        if (n === 3 && attempt === 1) throw new Error('fails at first');
      }),
      { concurrency: 100 },
    );
    for (let n = 0; n < 500; n += 100) await trail.publishAll(node.kernel, 'order.placed', n + 1, n + 100);
    await until(() => trail.done.length === 499, 'the others are handled');
    await trail.publishAll(node.kernel, 'order.placed', 501, 600);
    await until(async () => (await state.length('order-events')) === 598, 'what came before it is removed');
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, published: 600 });
  });

  test('never removes what a wildcard subscription has not had time to find', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix, retention: { maxLength: 10 } });
    await node.kernel.subscribe('*.placed', trail.handler('consumer'), { concurrency: 100 });
    for (let n = 0; n < 500; n += 100) await trail.publishAll(node.kernel, 'order.placed', n + 1, n + 100);
    await until(
      () => trail.complete,
      () => trail.check({ limit: 3 }),
      5000,
    );
  });

  test('by age removes the settled and keeps the others', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const stream = state.keys.stream('order-events', 0);
    for (let ms = 1; ms <= 10; ms++) await server.cli('XADD', stream, `${ms}-0`, 'e', 'old');
    await server.cli('XGROUP', 'CREATE', stream, 'behind', '4-0');
    await server.cli('XGROUP', 'CREATE', stream, 'ahead', '$');
    await using node = await startNode({ url: server.url, prefix, retention: { maxAgeMs: 60_000 } });
    await node.kernel.publish('order.placed', { n: 1 });
    const ids = async (): Promise<string[]> =>
      ((await server.cli('XRANGE', stream, '-', '+')) as [string][]).map(([id]) => id);
    // The one delivered last stays with those after it.
    await until(async () => (await ids()).length === 8, 'what both groups settled is removed');
    expect((await ids()).slice(0, 7)).toEqual(['4-0', '5-0', '6-0', '7-0', '8-0', '9-0', '10-0']);
  });

  test('without a group keeps no more than was asked for', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    await using node = await startNode({ url: server.url, prefix, retention: { maxLength: 10 } });
    await beginLongAgo(state);
    for (let n = 0; n < 1000; n += 100)
      await node.kernel.publishBatch(Array.from({ length: 100 }, () => ({ type: 'order.placed', body: n })));
    await until(async () => (await state.length('order-events')) <= 10 + SLACK, 'the stream is short');
  });

  test('that is `lossy` removes what nobody has read; who reads goes on with what is left', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix, retention: { maxLength: 10, lossy: true } });
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await node.kernel.subscribe(
      'order.*',
      trail.handler('slow', () => released),
    );
    for (let n = 0; n < 1000; n += 100) await trail.publishAll(node.kernel, 'order.placed', n + 1, n + 100);
    await until(async () => (await state.length('order-events')) <= 10 + SLACK, 'the stream is short');
    release();
    await until(() => trail.done.includes(1000), 'the last one is handled');
    expect(trail.done.length).toBeLessThanOrEqual(10 + SLACK + 1);
    await state.whenSettled('order-events');
  });
});
