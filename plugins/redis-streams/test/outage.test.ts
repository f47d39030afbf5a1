import { setTimeout as sleep } from 'node:timers/promises';
import { redis } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { describe, expect, test } from 'vitest';
import { SHORT, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const { timeoutMs } = SHORT;
const FROZEN_MS = 20_000;
/** How late a loaded machine may be: the bound of a failure, nothing that is measured. */
const MARGIN_MS = 5000;

const NOT_CONFIRMED = /^EVENTS_REDIS_STREAMS_(TIMEOUT|CONNECTION)$/;
const codeOf = (reason: unknown): string => (isEventsError(reason) ? reason.code : String(reason));

const KILLING_MS = 20_000;
const EVERY_MS = 200;
const ENTITIES = ['order', 'bill', 'parcel', 'refund', 'stock'];
const GROUPS = ['narrow', 'wide', 'sequence'];

describe.concurrent('a server that freezes with its connections open', () => {
  test('for 20 s: publish rejects by its deadline, health tells, everything resumes', { timeout: 60_000 }, async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url });
    await using consumer = await startNode({ url: server.url });
    await consumer.kernel.subscribe(
      'order.*',
      trail.handler('consumer', () => sleep(20)),
      { concurrency: 5 },
    );
    await trail.publishAll(publisher.kernel, 'order.placed', 1, 20);
    await until(() => trail.calls.length > 0, 'handling has begun');

    await server.freeze();
    const thawAt = Date.now() + FROZEN_MS;
    const slow: number[] = [];
    let n = 20;
    while (Date.now() < thawAt) {
      const began = Date.now();
      await trail.publishAll(publisher.kernel, 'order.placed', n + 1, n + 10);
      if (Date.now() - began > timeoutMs + MARGIN_MS) slow.push(Date.now() - began);
      n += 10;
    }
    expect(slow).toEqual([]);
    expect(trail.rejections).toHaveLength(n - 20);
    expect(trail.rejections.map(codeOf).filter((code) => !NOT_CONFIRMED.test(code))).toEqual([]);
    expect(await publisher.kernel.health()).toMatchObject({ healthy: false });
    expect((await consumer.kernel.health()).problems.map(({ source }) => source)).toContain('redis-streams');

    await server.thaw();
    await until(() => trail.publish(publisher.kernel, 'order.placed', ++n), 'events are confirmed again');
    await trail.publishAll(publisher.kernel, 'order.placed', n + 1, n + 20);
    await trail.whenComplete();
    await state.whenSettled('order-events');
    await until(async () => (await publisher.kernel.health()).healthy, 'the publisher is well');
    await until(
      async () => (await consumer.kernel.health()).healthy,
      () => consumer.kernel.health(),
    );
  });

  test('an event published while it is frozen for a moment is confirmed when it answers', async () => {
    await using server = await redis({ exclusive: true });
    await using node = await startNode({ url: server.url });
    await server.freeze();
    const published = node.kernel.publish('order.placed', { n: 1 });
    await sleep(timeoutMs / 4);
    await server.thaw();
    await published;
    expect(node.hears('disconnected')).toEqual([]);
  });

  test('stop() ends by its deadline, and nothing of the node stays behind', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    const node = await startNode({ url: server.url });
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', (n) => n > 2 && released),
      { concurrency: 2 },
    );
    await node.kernel.subscribe('bill.*', trail.handler('other'));
    await trail.publishAll(node.kernel, 'order.placed', 1, 4);
    await until(() => trail.calls.length === 4, 'two are being handled');

    await server.freeze();
    const unconfirmed = trail.publishAll(node.kernel, 'order.placed', 5, 8);
    // One is done and cannot be acknowledged, the other one goes on.
    release();
    await until(() => trail.done.length === 4, 'the handlers end');
    const began = Date.now();
    const report = await node.kernel.stop(1000);
    expect(Date.now() - began).toBeLessThan(1000 + MARGIN_MS);
    expect(report).toEqual({ unsettled: 0, unpublished: 4 });
    await unconfirmed;
    expect(trail.rejections.map(codeOf)).toEqual(Array(4).fill('EVENTS_REDIS_STREAMS_CONNECTION'));

    await server.thaw();
    // Whatever wanted to reconnect would be there after this: it does so every second.
    await sleep(1500);
    expect(await state.connections()).toEqual([]);
  });

  test('a kernel that starts meanwhile says so by its deadline', async () => {
    await using server = await redis({ exclusive: true });
    await server.freeze();
    const began = Date.now();
    await expect(startNode({ url: server.url })).rejects.toMatchObject({ code: 'EVENTS_REDIS_STREAMS_CONNECTION' });
    expect(Date.now() - began).toBeLessThan(timeoutMs + MARGIN_MS);
    await server.thaw();
    const state = new State(server);
    await until(async () => (await state.connections()).length === 0, 'the server has seen the connection close');
  });
});

test.concurrent('all connections killed every 200 ms for 20 s, under load: nothing is lost, nothing stays pending, order is kept', {
  timeout: 120_000,
}, async () => {
  await using server = await redis({ exclusive: true });
  const state = new State(server);
  const trail = new Trail(GROUPS);
  await using publisher = await startNode({ url: server.url });
  await using one = await startNode({ url: server.url });
  await using two = await startNode({ url: server.url });
  for (const [name, { kernel }] of Object.entries({ one, two }))
    for (const entity of ENTITIES)
      await kernel.subscribe(
        `${entity}.*`,
        trail.handler(`narrow-${name}`, () => sleep(2)),
        { group: 'narrow', concurrency: 10 },
      );
  await one.kernel.subscribe(
    '*.placed',
    trail.handler('wide', () => sleep(1)),
    { group: 'wide', concurrency: 2 },
  );
  await two.kernel.subscribe('*.placed', trail.handler('sequence'), { group: 'sequence' });

  let n = 0;
  let running = true;
  const publishing = (async () => {
    const open = new Set<Promise<unknown>>();
    while (running) {
      for (const entity of ENTITIES) {
        const published = trail
          .publish(publisher.kernel, `${entity}.placed`, ++n)
          .finally(() => open.delete(published));
        open.add(published);
      }
      if (open.size > 1000) await Promise.race(open);
      await sleep(15);
    }
    await Promise.all(open);
  })();
  await until(() => trail.done.length > 100, 'events flow');
  let killed = 0;
  const end = Date.now() + KILLING_MS;
  while (Date.now() < end) {
    killed += Number(await server.cli('CLIENT', 'KILL', 'TYPE', 'normal'));
    await sleep(EVERY_MS);
  }
  running = false;
  await publishing;
  expect(killed).toBeGreaterThan(100);

  await trail.whenComplete(60_000);
  const { lost, phantom, reordered, published } = trail.check({ order: 'start' });
  expect([lost.count, phantom.count]).toEqual([0, 0]);
  // The others work on several at a time.
  expect(reordered.examples.filter(({ group }) => group === 'sequence')).toEqual([]);
  expect(published).toBeGreaterThan(1000);
  for (const entity of ENTITIES)
    for (const group of GROUPS)
      await until(
        async () => (await state.pending(`${entity}-events`, group)) === 0,
        `${group} has nothing of ${entity}`,
      );
  for (const node of [publisher, one, two]) {
    await until(
      async () => (await node.kernel.health()).healthy,
      () => node.kernel.health(),
    );
    expect(node.hears('error')).toEqual([]);
    expect(node.hears('settledTwice')).toEqual([]);
  }
});
