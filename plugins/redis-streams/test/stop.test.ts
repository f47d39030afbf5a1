import { type RedisService, redis } from '@logistically/events-conformance/services';
import type { HandlerContext } from '@logistically/events-kernel';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PARKED } from '../src/keys.ts';
import { leaveScript } from '../src/script.ts';
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
const newPrefix = (): string => `stop-${++count}`;
/** What is handed back does not wait for a lease. */
const LONG_LEASE = { leaseMs: 60_000 };

describe.concurrent('stop', () => {
  test('hands back what is unfinished: another node gets it soon, attempt raised', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const stopping = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    await using other = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    let aborted = 0;
    const hanging = (_: number, { signal }: HandlerContext): Promise<never> => {
      signal.addEventListener('abort', () => {
        aborted++;
        trail.end('stopping');
      });
      return new Promise(() => {});
    };
    await stopping.kernel.subscribe('order.*', trail.handler('stopping', hanging), { concurrency: 5 });
    await trail.publishAll(other.kernel, 'order.placed', 1, 5);
    await until(() => trail.calls.length === 5, 'five are being handled');
    await other.kernel.subscribe('order.*', trail.handler('other'), { concurrency: 5 });

    expect(await stopping.kernel.stop(500)).toEqual({ unsettled: 5, unpublished: 0 });
    expect(aborted).toBe(5);
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
    expect(trail.calls.slice(5).map(({ attempt }) => attempt)).toEqual([2, 2, 2, 2, 2]);
    await state.whenSettled('order-events');
  });

  test('lets finish what can, and acknowledges it', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const node = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', () => released),
      { concurrency: 5 },
    );
    await trail.publishAll(node.kernel, 'order.placed', 1, 20);
    await until(() => trail.calls.length === 5, 'five are being handled');
    const stopping = node.kernel.stop(5000);
    release();
    expect(await stopping).toEqual({ unsettled: 0, unpublished: 0 });
    expect(trail.calls).toHaveLength(5);
    expect(await state.pending('order-events')).toBe(0);

    await node.kernel.start();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
    expect(await node.kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  });

  test('sends what was published before it', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const node = await startNode({ url: server.url, prefix });
    const publishing = trail.publishAll(node.kernel, 'order.placed', 1, 2000);
    expect(await node.kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
    await publishing;
    expect(trail.rejections).toEqual([]);
    expect(await state.length('order-events')).toBe(2000);
  });

  test('of the only node leaves what waits for it in Redis: the next start goes on', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    await node.kernel.stop();
    await using publisher = await startNode({ url: server.url, prefix });
    await trail.publishAll(publisher.kernel, 'order.placed', 1, 10);
    await node.kernel.start();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, published: 10 });
  });

  test('again and again in full flow loses nothing', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url, prefix });
    await using node = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    await node.kernel.subscribe('order.*', trail.handler('order'), { concurrency: 3 });
    await node.kernel.subscribe('*.placed', trail.handler('all'), { concurrency: 2 });
    for (let round = 0; round < 10; round++) {
      const publishing = trail.publishAll(publisher.kernel, 'order.placed', round * 50 + 1, round * 50 + 50);
      const before = trail.calls.length;
      await until(() => trail.calls.length > before, 'events flow');
      await node.kernel.stop();
      await publishing;
      await node.kernel.start();
    }
    await trail.whenComplete();
    expect(trail.check().phantom.count).toBe(0);
    await state.whenSettled('order-events');
  });
});

describe.concurrent('a consumer', () => {
  test('without pending work disappears with its node', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    await trail.publishAll(node.kernel, 'order.placed', 1, 3);
    await until(() => trail.complete, 'three are handled');
    expect(await state.consumers('order-events')).toHaveLength(1);
    await node.kernel.stop();
    expect(await state.consumers('order-events')).toEqual([]);
  });

  test('with pending work stays, whoever tidies up', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const stream = state.keys.stream('order-events', 0);
    await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
    const marks = [PARKED, '~made-1'];
    for (const consumer of ['idle', ...marks]) await server.cli('XGROUP', 'CREATECONSUMER', stream, 'shop', consumer);
    await server.cli('XADD', stream, '*', 'e', 'x');
    await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
    const client = new Redis(server.url);
    try {
      const leave = (consumer: string): Promise<unknown> => leaveScript.run(client, [stream], ['shop', consumer, 0]);
      await leave('dead');
      expect(await state.consumers('order-events')).toEqual(['dead', 'idle']);
      // What is idle for longer than 0 ms goes, unless it has work or belongs to the group itself.
      await until(async () => (await leave('')) === 1, 'the idle one is removed');
      expect(await state.consumers('order-events')).toEqual(['dead']);
      for (const mark of marks) expect(await server.cli('XGROUP', 'CREATECONSUMER', stream, 'shop', mark)).toBe(0);
      expect(await state.pendingByConsumer('order-events')).toEqual({ dead: 1 });
    } finally {
      client.disconnect();
    }
  });
});
