import { redis } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { describe, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

describe.concurrent('a server at its memory limit', () => {
  test('takes no events and says so; what it has is handled and acknowledged; then it takes events again', async () => {
    await using server = await redis({ exclusive: true, args: ['--maxmemory-policy', 'noeviction'] });
    const state = new State(server);
    const trail = new Trail();
    await using node = await startNode({ url: server.url });
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', async (n, { attempt }) => {
        await released;
        if (n === 5 && attempt === 1) throw new Error('fails while there is no memory');
      }),
      { concurrency: 3 },
    );
    await trail.publishAll(node.kernel, 'order.placed', 1, 50);
    await until(() => trail.calls.length === 3, 'three are being handled');

    await server.cli('CONFIG', 'SET', 'maxmemory', '1');
    await trail.publish(node.kernel, 'order.placed', 51);
    await trail.publishAll(node.kernel, 'order.placed', 52, 60);
    expect(trail.rejections.map((reason) => isEventsError(reason) && reason.code)).toEqual(
      Array(10).fill('EVENTS_REDIS_STREAMS_OUT_OF_MEMORY'),
    );
    release();
    await until(() => trail.done.length === 49, 'the backlog is handled');
    await until(async () => (await state.pending('order-events')) === 1, 'all but the failed one is acknowledged');

    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
    await trail.publishAll(node.kernel, 'order.placed', 61, 65);
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, published: 55, duplicated: { count: 0 } });
    expect(trail.calls.filter(({ n }) => n === 5).map(({ attempt }) => attempt)).toEqual([1, 2]);
    await state.whenSettled('order-events');
    expect(node.hears('disconnected')).toEqual([]);
  });

  test('still lets a living consumer take over from a dead one, and delayed events wait', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const stream = state.keys.stream('order-events', 0);
    const trail = new Trail();
    await using node = await startNode({ url: server.url });
    await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
    await trail.publishAll(node.kernel, 'order.placed', 1, 3);
    await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    await server.cli(
      'ZADD',
      state.keys.delayed('order-events', 0),
      `${Date.now() + 300}`,
      'e:x:due when there is no room',
    );
    await server.cli('CONFIG', 'SET', 'maxmemory', '1');
    await trail.whenComplete();
    await state.whenSettled('order-events');
    expect(await state.length('order-events')).toBe(3);
    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
    await until(async () => (await state.length('order-events')) === 4, 'the delayed one is moved');
  });
});
