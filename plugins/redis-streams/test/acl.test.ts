import { readFileSync } from 'node:fs';
import { redis } from '@logistically/events-conformance/services';
import { EventsError } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { redisStreams } from '../src/index.ts';
import { createNode, SHORT, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const [line = ''] = /^ACL SETUSER .*$/m.exec(readme) ?? [];

test('a user with what the README lists, and nothing else, is refused nothing', async () => {
  await using server = await redis({ exclusive: true });
  const state = new State(server);
  await server.cli(...line.split(' '));
  const url = `redis://events:password@${server.host}:${server.port}`;
  const trail = new Trail();
  const stream = state.keys.stream('order-events', 0);

  // Something to take over, a reader to interrupt, a group to lose, an entry to trim, a topic to discover.
  await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
  await server.cli('XADD', stream, '*', 'x', 'no event');
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
  await using node = await startNode({ url, retention: { maxLength: 5 } });
  await node.kernel.subscribe(
    'order.*',
    trail.handler('consumer', (n, { attempt }) => {
      if (n % 10 === 0 && attempt === 1) throw new EventsError('EVENTS_TEST', 'fails at first', { retryAfterMs: 50 });
    }),
    { concurrency: 3 },
  );
  await node.kernel.subscribe('*.placed', trail.handler('consumer'), { group: 'other', from: 'earliest' });
  await trail.publishAll(node.kernel, 'order.placed', 1, 150);
  await until(() => node.hears('undecodable').length === 2, 'the foreign entry is taken over');
  await trail.whenComplete();
  await server.cli('XGROUP', 'DESTROY', stream, 'shop');
  await until(() => node.hears('recovered').length === 1, 'the group is made again');
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await trail.publishAll(node.kernel, 'bill.placed', 151, 160);
  await until(() => trail.calls.some(({ n }) => n > 150), 'a new topic is discovered');
  expect(await node.kernel.health()).toMatchObject({ problems: [] });

  // The capabilities, on a transport of its own.
  const transport = redisStreams({ url, ...SHORT });
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  await transport.open({ service: 'tools', logger: silent, emit: () => {} });
  const { log, store, inspect } = transport.capabilities;
  expect(await log.topics()).toEqual(['bill-events', 'order-events']);
  expect(await log.read('bill-events', { limit: 2 })).toHaveLength(2);
  await store.set('a', '1', { ttlMs: 60_000 });
  expect(await store.setIfAbsent('a', '2')).toBe(false);
  expect(await store.compareAndSet('a', '1', '2', { ttlMs: 60_000 })).toBe(true);
  expect(await store.get('a')).toBe('2');
  await store.delete('a');
  expect(await store.increment('count', 2, { ttlMs: 60_000 })).toBe(2);
  const lease = await store.lease('lock', 60_000);
  expect(await lease?.renew()).toBe(true);
  await lease?.release();
  expect((await inspect.topic('order-events')).partitions).toHaveLength(1);
  expect(await transport.health?.()).toEqual([]);
  await transport.close(Date.now() + 1000);
  await node.kernel.stop();

  const refused = (await server.cli('ACL', 'LOG')) as unknown[][];
  const objects = refused.map((entry) => entry[entry.indexOf('object') + 1]);
  // Clients tell their version where the server takes it, and go on where it does not.
  expect(objects.filter((object) => object !== 'client|setinfo')).toEqual([]);
});

test('without the right to interrupt and to dismiss connections all works, a little later', async () => {
  await using server = await redis({ exclusive: true });
  await server.cli(...line.replace(' +client|unblock', '').replace(' +client|kill', '').split(' '));
  const url = `redis://events:password@${server.host}:${server.port}`;
  const trail = new Trail();
  await using node = createNode({ url, redeliverMs: 10 });
  await node.kernel.start();
  await node.kernel.subscribe(
    'order.*',
    trail.handler('consumer', (_, { attempt }) => {
      if (attempt === 1) throw new Error('fails at first');
    }),
  );
  await trail.publishAll(node.kernel, 'order.placed', 1, 3);
  await until(() => trail.complete, 'all are handled');
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await trail.publishAll(node.kernel, 'order.placed', 4, 6);
  await until(() => trail.complete, 'all are handled after a lost connection');
  expect(node.hears('error')).toEqual([]);
});
