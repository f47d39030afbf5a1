import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisService, redis } from '@logistically/events-conformance/services';
import { EventsError } from '@logistically/events-kernel';
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
const newPrefix = (): string => `lane-${++count}`;
/** What is handed back does not wait for a lease. */
const LONG_LEASE = { leaseMs: 60_000 };

/** Nothing else of the process runs meanwhile. */
const keepBusy = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

describe.concurrent('subscriptions of one group', () => {
  test('that overlap, in two lanes: one leaves under load, nothing is lost, nothing is handled twice at once', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    // Of an event that two patterns take every handler is called: one of them writes down, the other only is in the way.
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', () => sleep(1)),
      { concurrency: 5 },
    );
    const leaving = await node.kernel.subscribe('order.placed', () => sleep(1), { concurrency: 3 });
    await node.kernel.subscribe('order.paid', () => sleep(1), { concurrency: 5 });
    const publishing = (async () => {
      for (let n = 1; n <= 1000; n += 20) await trail.publishAll(node.kernel, 'order.placed', n, n + 19);
    })();
    await until(() => trail.done.length > 200, 'events flow');
    await leaving.unsubscribe();
    await publishing;
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ lost: { count: 0 }, phantom: { count: 0 }, concurrent: { count: 0 } });
    await state.whenSettled('order-events');
  });

  test('gives what is new its turn, however busy the process is with what fails for ever', async () => {
    const prefix = newPrefix();
    const handled: number[] = [];
    await using node = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    await node.kernel.subscribe('order.*', ({ body }) => {
      keepBusy(15);
      const { n } = body as { readonly n: number };
      if (n < 4) throw new EventsError('EVENTS_TEST', 'for ever', { retryAfterMs: 0 });
      handled.push(n);
    });
    for (let n = 1; n <= 20; n++) await node.kernel.publish('order.placed', { n });
    await until(() => handled.length === 17, 'what does not fail is handled');
    expect(handled).toEqual(Array.from({ length: 17 }, (_, index) => index + 4));
  });

  test('that share a lane on a busy process: one leaves, the other goes on acknowledging', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    await using node = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    for (let round = 0; round < 20; round++) {
      let release = (): void => {};
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const stays = await node.kernel.subscribe('order.placed', () => sleep(0));
      const leaves = await node.kernel.subscribe('order.*', () => gate);
      await node.kernel.publishBatch([1, 2].map((body) => ({ type: 'order.placed', body })));
      await until(() => node.kernel.stats().inFlight > 0, 'the handlers are at work');
      const leaving = leaves.unsubscribe();
      setImmediate(() => {
        release();
        setImmediate(() => keepBusy(3));
        setImmediate(() => keepBusy(3));
      });
      await leaving;
      for (let n = 0; n < 3; n++) await node.kernel.publish('order.placed', n);
      await state.whenSettled('order-events');
      await stays.unsubscribe();
    }
  });

  test('that overlap in one lane, opened at once: whoever stays gets everything', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    for (const leaver of [0, 1]) {
      const trail = new Trail();
      await using node = await startNode({ url: server.url, prefix });
      const subscriptions = await Promise.all(
        ['order.*', 'order.placed'].map((pattern, index) =>
          node.kernel.subscribe(pattern, index === leaver ? () => {} : trail.handler('stays'), { concurrency: 2 }),
        ),
      );
      await trail.publishAll(node.kernel, 'order.placed', 1, 50);
      await trail.whenComplete();
      await subscriptions[leaver]?.unsubscribe();
      await trail.publishAll(node.kernel, 'order.placed', 51, 100);
      await trail.whenComplete();
      expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
      await state.whenSettled('order-events');
    }
  });

  test('that come and go under load: what they take with them comes back', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url, prefix });
    await using steady = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    await using restless = await startNode({ url: server.url, prefix, ...LONG_LEASE });
    await steady.kernel.subscribe(
      'order.*',
      trail.handler('steady', () => sleep(2)),
      { concurrency: 5 },
    );
    let running = true;
    let published = 0;
    const publishing = (async () => {
      while (running) {
        await trail.publishAll(publisher.kernel, 'order.placed', published + 1, published + 10);
        published += 10;
        await sleep(5);
      }
    })();
    for (let round = 0; round < 20; round++) {
      const before = trail.calls.length;
      const subscriptions = await Promise.all(
        [1, 2, 3].map((concurrency) =>
          // Only one of the three is the same lane as before while it closes.
          restless.kernel.subscribe(
            'order.*',
            trail.handler(`restless-${round}-${concurrency}`, () => sleep(2)),
            {
              concurrency,
            },
          ),
        ),
      );
      await until(() => trail.calls.length > before + 10, 'events flow');
      await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()));
    }
    running = false;
    await publishing;
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ lost: { count: 0 }, phantom: { count: 0 } });
    await state.whenSettled('order-events');
    expect(restless.hears('error')).toEqual([]);
    expect((await state.connections()).length).toBeGreaterThan(0);
  });

  test('of different topics share a lane: one that fails all the time does not hold up the other', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix, redeliverMs: 5 });
    let failures = 0;
    await node.kernel.subscribe('bill.*', () => {
      failures++;
      throw new Error('always fails');
    });
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    await node.kernel.publishBatch(Array.from({ length: 20 }, (_, n) => ({ type: 'bill.placed', body: { n } })));
    await until(() => failures > 20, 'they fail again and again');
    await trail.publishAll(node.kernel, 'order.placed', 1, 100);
    await trail.whenComplete();
    expect(trail.check({ order: 'completion' })).toMatchObject({ ok: true, duplicated: { count: 0 } });
  });
});

test('a handler that blocks all slots of a group does not hold up another group', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using node = await startNode({ url: server.url, prefix });
  let stuck = 0;
  await node.kernel.subscribe(
    'order.*',
    () => {
      stuck++;
      return new Promise(() => {});
    },
    { group: 'stuck' },
  );
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 100);
  await trail.whenComplete();
  expect(stuck).toBe(1);
});
