import { proxy, type RedisService, redis } from '@logistically/events-conformance/services';
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
const newPrefix = (): string => `topics-${++count}`;

/** How soon a wildcard subscription sees a new topic. */
const SEEN_MS = 2000;

describe.concurrent('a wildcard subscription', () => {
  test('gets every event of topics that come into being later, within 2 s', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url, prefix });
    await using consumer = await startNode({ url: server.url, prefix });
    await trail
      .publish(publisher.kernel, 'before.placed', 0)
      .then(() => trail.history.record({ fact: 'dead-letter', id: '0', group: 'shop' }));
    await consumer.kernel.subscribe('*.placed', trail.handler('consumer'), { concurrency: 3 });
    for (let n = 1; n <= 5; n++) {
      await trail.publish(publisher.kernel, `entity${n}.placed`, 2 * n);
      await trail.publish(publisher.kernel, `entity${n}.placed`, 2 * n + 1);
      await trail.whenComplete(SEEN_MS);
    }
    // Of the topic that was there only what came after the subscription, of the others everything.
    expect(trail.calls.map(({ n }) => n).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('begins at the earliest event of all topics that exist', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    for (let n = 1; n <= 20; n++) await trail.publish(node.kernel, `entity${n}.placed`, n);
    await node.kernel.subscribe('*.placed', trail.handler('consumer'), { from: 'earliest', concurrency: 2 });
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, published: 20, duplicated: { count: 0 } });
  });

  test('sees a topic that was published to once, while the publisher had no connection', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using network = await proxy(server);
    await using publisher = await startNode({ url: network.url, prefix });
    await using consumer = await startNode({ url: server.url, prefix });
    await consumer.kernel.subscribe('*.placed', trail.handler('consumer'));
    await network.refuse();
    network.cut();
    await until(() => publisher.hears('disconnected').length > 0, 'the network is away');
    const publishing = trail.publish(publisher.kernel, 'order.placed', 1);
    await network.accept();
    await publishing;
    await until(() => trail.complete, 'it is handled', SEEN_MS);
  });

  test('sees the topics again that a flush removed, with the next event of each', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url, prefix });
    await trail.publish(publisher.kernel, 'order.placed', 1);
    await until(async () => (await server.cli('SCARD', state.keys.topics)) === 1, 'the topic is registered');
    await server.cli('DEL', state.keys.topics, state.keys.stream('order-events', 0));
    const later = new Trail();
    await using consumer = await startNode({ url: server.url, prefix });
    await consumer.kernel.subscribe('*.placed', later.handler('consumer'));
    let n = 1;
    await until(async () => {
      await later.publish(publisher.kernel, 'order.placed', ++n);
      return later.done.length > 0;
    }, 'the topic is seen');
    await until(() => later.complete, 'all are handled');
  });

  test('tells of a topic that it cannot read, and reads it as soon as it can', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('*.placed', trail.handler('consumer'));
    const stream = state.keys.stream('order-events', 0);
    await server.cli('SET', stream, 'no stream');
    await server.cli('SADD', state.keys.topics, 'order-events');
    await until(() => node.hears('error').length > 0, 'it is told', SEEN_MS);
    expect(node.hears('error')[0]).toMatchObject({ reason: { code: 'EVENTS_REDIS_STREAMS_WRONG_TYPE' } });
    await server.cli('DEL', stream);
    await trail.publish(node.kernel, 'order.placed', 1);
    await until(() => trail.complete, 'its event is handled', 5000);
  });

  test('leaves derived topics to those who ask for them', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('*.placed', trail.handler('consumer'));
    await server.cli('SADD', state.keys.topics, 'dlq:order-events');
    await trail.publish(node.kernel, 'order.placed', 1);
    await until(() => trail.complete, 'the topic is seen', SEEN_MS);
    expect(await server.cli('EXISTS', state.keys.stream('dlq:order-events', 0))).toBe(0);
  });
});

// After all the others, which all run against this one server.
test('nothing of this needs KEYS or SCAN', async () => {
  const state = new State(server);
  for (const command of ['keys', 'scan', 'sscan', 'hscan', 'zscan'])
    expect(await state.calls(command), command).toBe(0);
  for (const command of ['xreadgroup', 'smembers', 'evalsha']) expect(await state.calls(command)).toBeGreaterThan(0);
});

test('a new topic is registered as soon as a server that had no memory has some again', async () => {
  const prefix = newPrefix();
  const trail = new Trail();
  await using publisher = await startNode({ url: server.url, prefix });
  await using consumer = await startNode({ url: server.url, prefix });
  await consumer.kernel.subscribe('*.placed', trail.handler('consumer'));
  await server.cli('CONFIG', 'SET', 'maxmemory', '1');
  await trail.publish(publisher.kernel, 'order.placed', 1);
  expect(trail.rejections).toHaveLength(1);
  await server.cli('CONFIG', 'SET', 'maxmemory', '0');
  let n = 1;
  await until(
    async () => {
      await trail.publish(publisher.kernel, 'order.placed', ++n);
      return trail.done.length > 0;
    },
    'the topic is seen',
    5000,
  );
  await until(() => trail.complete, 'all are handled');
});
