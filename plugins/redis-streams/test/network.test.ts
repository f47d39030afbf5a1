import { proxy, redis } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { SHORT, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const { timeoutMs } = SHORT;
/** How late a loaded machine may be: the bound of a failure, nothing that is measured. */
const MARGIN_MS = 5000;
/** A lease that no test waits for: what comes back comes by another way. */
const LONG_LEASE = { leaseMs: 60_000 };

/** Two nodes on one server, one of them behind a network that a test can cut. */
const startTwo = async (behind: 'publisher' | 'consumer') => {
  const server = await redis({ exclusive: true });
  const network = await proxy(server);
  const urlOf = (node: typeof behind): string => (node === behind ? network.url : server.url);
  const publisher = await startNode({ url: urlOf('publisher') });
  const consumer = await startNode({ url: urlOf('consumer'), ...(behind === 'consumer' && LONG_LEASE) });
  return {
    ...{ network, publisher, consumer, state: new State(server), trail: new Trail() },
    [Symbol.asyncDispose]: async () => {
      for (const each of [consumer, publisher, network, server]) await each[Symbol.asyncDispose]();
    },
  };
};

describe.concurrent('the network of a consumer', () => {
  test('is cut again and again: nothing is lost, one topic keeps its order', async () => {
    await using two = await startTwo('consumer');
    const { state, network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    for (let round = 0; round < 10; round++) {
      const before = trail.done.length;
      const publishing = trail.publishAll(publisher.kernel, 'order.placed', round * 50 + 1, round * 50 + 50);
      await until(() => trail.done.length > before + 5, 'events flow');
      network.cut();
      await publishing;
    }
    await trail.whenComplete();
    expect(trail.check({ order: 'start' })).toMatchObject({ ok: true, published: 500, duplicated: { count: 0 } });
    expect(consumer.hears('disconnected').length).toBeGreaterThan(0);
    await state.whenSettled('order-events');
  });

  test('is half-open: it is detected by the deadline, and all comes in order when it is mended', async () => {
    await using two = await startTwo('consumer');
    const { state, network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    await trail.publishAll(publisher.kernel, 'order.placed', 1, 5);
    await until(() => trail.complete, 'events flow');

    network.stall();
    // The server does not know: it gives the next event to a connection whose other end hears nothing.
    await trail.publishAll(publisher.kernel, 'order.placed', 6, 10);
    await until(() => consumer.hears('disconnected').length > 0, 'it is detected', timeoutMs + 1000 + MARGIN_MS);
    expect(consumer.hears('disconnected')).toMatchObject([{ reason: { code: 'EVENTS_REDIS_STREAMS_CONNECTION' } }]);
    expect(await consumer.kernel.health()).toMatchObject({ healthy: false });
    await trail.publishAll(publisher.kernel, 'order.placed', 11, 15);
    network.resume();
    await trail.whenComplete();
    expect(trail.check({ order: 'start' })).toMatchObject({ ok: true, published: 15, duplicated: { count: 0 } });
    await state.whenSettled('order-events');
    await until(async () => (await consumer.kernel.health()).healthy, 'it is well');
  });

  test('loses one side only: a read that still waits at the server takes nothing to nobody', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    await using network = await proxy(server);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url });
    const readers: Redis[] = [];
    await using consumer = await startNode({
      connect: (purpose, options) => {
        const client = new Redis(purpose === 'reader' ? network.url : server.url, options);
        if (purpose === 'reader') readers.push(client);
        return client;
      },
      ...LONG_LEASE,
      // Reads wait so long that the old one is still there when the new one comes.
      claimIntervalMs: 5000,
      blockMs: 5000,
    });
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    await trail.publish(publisher.kernel, 'order.placed', 1);
    await until(() => trail.complete, 'events flow');
    const connected = async (): Promise<string[]> =>
      (await state.connections()).filter(({ name }) => name === 'events-reader').map(({ id }) => id);
    const [old] = await connected();

    const [reader] = readers as [Redis];
    network.stall();
    // The next connection goes past the network, which still holds the old one open at the server.
    reader.options.port = server.port;
    reader.stream.destroy();
    await until(async () => (await connected()).some((id) => id !== old), 'there is another connection');
    await until(async () => !(await connected()).includes(old as string), 'the old one is dismissed');
    await trail.publishAll(publisher.kernel, 'order.placed', 2, 10);
    await trail.whenComplete(2000);
    expect(trail.check({ order: 'start' })).toMatchObject({ ok: true, published: 10, duplicated: { count: 0 } });
  });

  test('drops out for a moment, with nothing closed: nothing is lost', async () => {
    await using two = await startTwo('consumer');
    const { network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'), { concurrency: 5 });
    for (let round = 0; round < 3; round++) {
      network.stall();
      await trail.publishAll(publisher.kernel, 'order.placed', round * 10 + 1, round * 10 + 10);
      network.resume();
      await trail.whenComplete();
    }
    expect(trail.check()).toMatchObject({ ok: true, published: 30, duplicated: { count: 0 } });
    expect(consumer.hears('disconnected')).toEqual([]);
  });

  test('is lost while a handler fails and another one succeeds: both are settled when it is back', async () => {
    await using two = await startTwo('consumer');
    const { state, network, trail, publisher, consumer } = two;
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await consumer.kernel.subscribe(
      'order.*',
      trail.handler('consumer', async (n, { attempt }) => {
        await released;
        if (n === 2 && attempt === 1) throw new Error('fails while the network is away');
      }),
      { concurrency: 2 },
    );
    await trail.publishAll(publisher.kernel, 'order.placed', 1, 2);
    await until(() => trail.calls.length === 2, 'two are being handled');
    await network.refuse();
    network.cut();
    await until(() => consumer.hears('disconnected').length > 0, 'the network is away');
    release();
    await until(() => consumer.hears('failed').length === 1, 'one has failed');
    await network.accept();
    await trail.whenComplete();
    expect(trail.calls.map(({ n, attempt }) => [n, attempt])).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
    ]);
    await state.whenSettled('order-events');
  });
});

describe.concurrent('the network of a publisher', () => {
  test('is cut again and again: what was confirmed is there, what comes first keeps its order', async () => {
    await using two = await startTwo('publisher');
    const { network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    for (let round = 0; round < 10; round++) {
      const publishing: Promise<unknown>[] = [];
      // Turn by turn, so that several round trips are on the way when it is cut.
      for (let n = round * 50 + 1; n <= round * 50 + 50; n++) {
        publishing.push(trail.publish(publisher.kernel, 'order.placed', n));
        if (n % 5 === 0) await new Promise(setImmediate);
        if (n % 50 === 25) network.cut();
      }
      await Promise.all(publishing);
    }
    expect(trail.rejections).toEqual([]);
    await trail.whenComplete();
    // One whose confirmation was lost is published again: at least once.
    const { lost, phantom, reordered, concurrent, published } = trail.check({ order: 'start' });
    expect([lost.count, phantom.count, reordered.count, concurrent.count, published]).toEqual([0, 0, 0, 0, 500]);
  });

  test('is cut with several round trips on the way: they are repeated in their order', async () => {
    await using two = await startTwo('publisher');
    const { network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    for (let round = 0; round < 5; round++) {
      network.stall();
      const publishing: Promise<void>[] = [];
      for (let turn = 0; turn < 5; turn++) {
        const first = round * 50 + turn * 10 + 1;
        publishing.push(trail.publishAll(publisher.kernel, 'order.placed', first, first + 9));
        await new Promise(setImmediate);
      }
      network.cut();
      network.resume();
      await Promise.all(publishing);
    }
    expect(trail.rejections).toEqual([]);
    await trail.whenComplete();
    expect(trail.check({ order: 'start' })).toMatchObject({ ok: true, published: 250, duplicated: { count: 0 } });
  });

  test('is half-open: publish rejects by its deadline and works when it is mended', async () => {
    await using two = await startTwo('publisher');
    const { network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    await trail.publish(publisher.kernel, 'order.placed', 1);

    network.stall();
    const began = Date.now();
    await trail.publishAll(publisher.kernel, 'order.placed', 2, 10);
    expect(Date.now() - began).toBeLessThan(timeoutMs + MARGIN_MS);
    expect(trail.rejections).toHaveLength(9);
    for (const reason of trail.rejections)
      expect(isEventsError(reason) && reason.code).toMatch(/^EVENTS_REDIS_STREAMS_(TIMEOUT|CONNECTION)$/);

    network.resume();
    let n = 10;
    await until(() => trail.publish(publisher.kernel, 'order.placed', ++n), 'events are confirmed again');
    await trail.whenComplete();
  });

  test('is away for less than the deadline: publish waits and is confirmed', async () => {
    await using two = await startTwo('publisher');
    const { network, trail, publisher, consumer } = two;
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
    await network.refuse();
    network.cut();
    await until(() => publisher.hears('disconnected').length > 0, 'the network is away');
    const publishing = trail.publishAll(publisher.kernel, 'order.placed', 1, 50);
    await network.accept();
    await publishing;
    expect(trail.rejections).toEqual([]);
    await trail.whenComplete();
    expect(trail.check({ order: 'start' })).toMatchObject({ ok: true, published: 50, duplicated: { count: 0 } });
  });

  test('is away for good: no more than `maxBuffered` events wait, each until its deadline', async () => {
    await using server = await redis({ exclusive: true });
    await using network = await proxy(server);
    const trail = new Trail();
    await using publisher = await startNode({ url: network.url, maxBuffered: 100 });
    await network.stop();
    await until(() => publisher.hears('disconnected').length > 0, 'the network is away');
    const began = Date.now();
    await trail.publishAll(publisher.kernel, 'order.placed', 1, 150);
    expect(Date.now() - began).toBeLessThan(timeoutMs + MARGIN_MS);
    const codes = trail.rejections.map((reason) => isEventsError(reason) && reason.code);
    expect(codes.filter((code) => code === 'EVENTS_REDIS_STREAMS_BUFFER_FULL')).toHaveLength(50);
    expect(codes.filter((code) => code === 'EVENTS_REDIS_STREAMS_TIMEOUT')).toHaveLength(100);
  });
});
