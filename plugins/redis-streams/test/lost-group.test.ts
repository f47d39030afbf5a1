import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisServer, redis } from '@logistically/events-conformance/services';
import { describe, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

/** How soon consuming goes on. */
const RESUMED_MS = 2000;

const destroyGroup = (server: RedisServer): Promise<unknown> =>
  server.cli('XGROUP', 'DESTROY', new State(server).keys.stream('order-events', 0), 'shop');

/** Two nodes, one of them busy with an event until it is told to fail. The group was lost, and the other one has made it again. */
const startTwo = async (options: { readonly leaseMs?: number } = {}) => {
  const server = await redis({ exclusive: true });
  const trail = new Trail();
  const busy = await startNode({ url: server.url, ...options });
  const other = await startNode({ url: server.url, ...options });
  let fail = (): void => {};
  const failed = new Promise<never>((_, reject) => {
    fail = () => reject(new Error('fails in the end'));
  });
  failed.catch(() => {});
  await busy.kernel.subscribe(
    'order.*',
    trail.handler('busy', (_, { attempt }) => attempt === 1 && failed),
  );
  await trail.publish(busy.kernel, 'order.placed', 1);
  await until(() => trail.calls.length === 1, 'one is being handled');
  await other.kernel.subscribe('order.*', trail.handler('other'));
  await trail.publish(busy.kernel, 'order.placed', 2);
  await until(() => trail.done.includes(2), 'the other node handles the second');
  await destroyGroup(server);
  await until(() => other.hears('recovered').length === 1, 'the other node makes the group again', RESUMED_MS);
  return {
    ...{ state: new State(server), trail, busy, fail },
    [Symbol.asyncDispose]: async () => {
      for (const each of [other, busy, server]) await each[Symbol.asyncDispose]();
    },
  };
};

describe.concurrent('FLUSHALL', () => {
  test('while a consumer waits for events: it goes on within 2 s and says so', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    await using node = await startNode({ url: server.url });
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    await trail.publishAll(node.kernel, 'order.placed', 1, 3);
    await until(() => trail.complete, 'three are handled');

    await server.cli('FLUSHALL');
    await trail.publish(node.kernel, 'order.placed', 4);
    await until(() => trail.complete, 'the next one is handled', RESUMED_MS);
    expect(node.hears('recovered')).toEqual([
      { transport: 'redis-streams', what: 'a lost consumer group', topic: 'order-events', group: 'shop' },
    ]);
    expect(node.hears('error')).toEqual([]);
    await state.whenSettled('order-events');
  });

  test('in full flow: what is published from then on is handled, in two topics, whatever the nodes are doing', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const before = new Trail();
    const after = new Trail();
    await using node = await startNode({ url: server.url });
    await using other = await startNode({ url: server.url });
    for (const each of [node, other]) {
      const [early, late] = [before.handler('all', () => sleep(5)), after.handler('all', () => sleep(5))];
      await each.kernel.subscribe(
        '*.placed',
        (event, context) => {
          const { n } = event.body as { n: number };
          return n <= 1000 ? early(event, context) : late(event, context);
        },
        { concurrency: 4 },
      );
    }
    const types = ['order.placed', 'bill.placed'];
    await Promise.all(types.map((type, i) => before.publishAll(node.kernel, type, i * 200 + 1, i * 200 + 200)));
    await until(() => before.done.length > 50, 'events flow');

    await server.cli('FLUSHALL');
    await Promise.all(types.map((type, i) => after.publishAll(node.kernel, type, 1001 + i * 20, 1020 + i * 20)));
    await after.whenComplete();
    expect(after.check()).toMatchObject({ concurrent: { count: 0 }, phantom: { count: 0 } });
    for (const topic of ['order-events', 'bill-events']) await state.whenSettled(topic);
    await until(async () => (await node.kernel.health()).healthy, 'the node is well');
  });
});

describe.concurrent('XGROUP DESTROY', () => {
  test('loses nothing: neither what comes meanwhile nor what is being handled', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    await using node = await startNode({ url: server.url });
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', (n) => n <= 3 && released),
      { concurrency: 5 },
    );
    await trail.publishAll(node.kernel, 'order.placed', 1, 3);
    await until(() => trail.calls.length === 3, 'three are being handled');

    await destroyGroup(server);
    await trail.publishAll(node.kernel, 'order.placed', 4, 6);
    await until(() => [4, 5, 6].every((n) => trail.done.includes(n)), 'the next ones are handled', RESUMED_MS);
    expect(node.hears('recovered')).toMatchObject([{ what: 'a lost consumer group', topic: 'order-events' }]);
    // They are pending again, so that another consumer would get them if this one died.
    expect(await state.pending('order-events')).toBe(3);
    release();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, published: 6, duplicated: { count: 0 } });
    await state.whenSettled('order-events');
  });

  test('what fails right after it comes again', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    await using node = await startNode({ url: server.url });
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', async (n, { attempt }) => {
        if (n !== 1 || attempt !== 1) return;
        // With all slots taken nobody reads: nobody but the failure itself can find out.
        await destroyGroup(server);
        throw new Error('fails without a group');
      }),
    );
    await trail.publishAll(node.kernel, 'order.placed', 1, 3);
    await trail.whenComplete();
    expect(trail.calls.filter(({ n }) => n === 1).map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(node.hears('recovered')).toHaveLength(1);
    await state.whenSettled('order-events');
  });

  test('what waits for its next attempt still gets it', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, redeliverMs: 1500 });
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', (_, { attempt }) => {
        if (attempt === 1) throw new Error('fails at first');
      }),
      { concurrency: 3 },
    );
    await trail.publishAll(node.kernel, 'order.placed', 1, 3);
    await until(async () => (await state.pendingByConsumer('order-events'))['~retries'] === 3, 'three wait');
    await destroyGroup(server);
    await trail.whenComplete();
    expect(trail.calls).toHaveLength(6);
    await state.whenSettled('order-events');
  });

  test('of two nodes, the one that had no slot to read with keeps what it is handling', async () => {
    await using two = await startTwo();
    const { state, trail, busy, fail } = two;
    // It is in the hands of the busy one again before its lease has run out.
    await until(
      async () => Object.values(await state.pendingByConsumer('order-events')).includes(1),
      'it is pending again',
    );
    expect(busy.hears('leaseLost')).toEqual([]);
    fail();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
    await state.whenSettled('order-events');
  });

  test('of two nodes, what fails on the one before it could know of the other one making the group again comes back', async () => {
    // So long a lease that it is not renewed meanwhile.
    await using two = await startTwo({ leaseMs: 60_000 });
    const { state, trail, fail } = two;
    fail();
    await trail.whenComplete();
    expect(trail.calls.filter(({ n }) => n === 1).map(({ attempt }) => attempt)).toEqual([1, 2]);
    await state.whenSettled('order-events');
  });
});
