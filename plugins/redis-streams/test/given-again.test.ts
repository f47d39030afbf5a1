import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisService, redis } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SHORT, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const { leaseMs } = SHORT;
const TOPIC = 'order-events';

let server: RedisService;
let count = 0;
beforeAll(async () => {
  server = await redis({ exclusive: true });
});
afterAll(() => server.stop());

/** Event 2, which another consumer reads in the moment that it is published, and which is due again at once. */
const RETRY_OF_ANOTHER = `
  local fields = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][2]
  fields[2] = string.gsub(fields[2], '"n":1', '"n":2')
  local id = redis.call('XADD', KEYS[1], '*', unpack(fields))
  redis.call('XREADGROUP', 'GROUP', 'shop', 'another', 'STREAMS', KEYS[1], '>')
  redis.call('ZADD', KEYS[2], 0, id)
  return id`;

/** Event 2 in the place of event 1. */
const ANOTHER_WITH_ITS_ID = `
  local fields = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][2]
  fields[2] = string.gsub(fields[2], '"n":1', '"n":2')
  redis.call('XACK', KEYS[1], 'shop', ARGV[1])
  redis.call('XDEL', KEYS[1], ARGV[1])
  redis.call('XSETID', KEYS[1], '0-1')
  redis.call('XADD', KEYS[1], ARGV[1], unpack(fields))
  redis.call('XGROUP', 'SETID', KEYS[1], 'shop', '0')`;

/** A consumer whose handlers end when they are told to. */
const scene = async () => {
  const prefix = `again-${++count}`;
  const state = new State(server, prefix);
  const node = await startNode({ url: server.url, prefix });
  const trail = new Trail();
  const ends = new Map<number, () => void>();
  const work = (n: number): Promise<void> => new Promise((resolve) => ends.set(n, resolve));
  await node.kernel.subscribe('order.*', trail.handler('consumer', work), { concurrency: 2 });
  return {
    node,
    state,
    trail,
    stream: state.keys.stream(TOPIC, 0),
    end: (n: number) => ends.get(n)?.(),
    timesHandled: (n: number): number => trail.calls.filter((call) => call.n === n).length,
    [Symbol.asyncDispose]: async () => {
      for (const end of ends.values()) end();
      await node.kernel.stop();
    },
  };
};

test('a delivery that a server which took over knows nothing of goes on: it is not lost, nor in two handlers at once', async () => {
  await using all = await scene();
  const { node, state, trail, stream, end, timesHandled } = all;
  await trail.publishAll(node.kernel, 'order.placed', 1, 2);
  await until(() => trail.calls.length === 2, 'both are being handled');
  // As it is on a replica that the deliveries did not reach.
  for (const { context } of trail.calls) await server.cli('XACK', stream, 'shop', context.cursor);
  await server.cli('XGROUP', 'SETID', stream, 'shop', '0');
  // All seats are taken: leases are renewed before anything is read.
  await sleep(leaseMs);
  expect(node.hears('leaseLost')).toEqual([]);
  end(2);
  // One seat is free: they are given again.
  await until(() => timesHandled(2) === 2, 'what was done before the server knew of it comes again, after the other');
  await sleep(leaseMs);
  expect(timesHandled(1)).toBe(1);
  end(1);
  end(2);
  await state.whenSettled(TOPIC);
  expect(timesHandled(1)).toBe(1);
  expect(trail.check()).toMatchObject({ concurrent: { count: 0 }, lost: { count: 0 } });
  expect(node.hears('leaseLost')).toEqual([]);
});

test('nor is one that came here as a retry of somebody else, beyond all that was read here', async () => {
  await using all = await scene();
  const { node, state, trail, stream, end, timesHandled } = all;
  await trail.publish(node.kernel, 'order.placed', 1);
  await until(() => trail.calls.length === 1, 'it is being handled');
  const id = String(await server.cli('EVAL', RETRY_OF_ANOTHER, '2', stream, state.keys.retries(TOPIC, 0, 'shop')));
  await until(() => timesHandled(2) === 1, 'it came as a retry');
  await server.cli('XACK', stream, 'shop', id);
  await server.cli('XGROUP', 'SETID', stream, 'shop', (trail.calls[0] as (typeof trail.calls)[number]).context.cursor);
  end(1);
  await until(async () => (await state.pending(TOPIC)) === 1, 'it is given again');
  await sleep(leaseMs);
  expect(timesHandled(2)).toBe(1);
  end(2);
  await state.whenSettled(TOPIC);
  expect(trail.check()).toMatchObject({ concurrent: { count: 0 } });
});

test('the id of what is being handled may be given to another event: that one is handled, and not settled by the other', async () => {
  await using all = await scene();
  const { node, state, trail, stream, end, timesHandled } = all;
  await trail.publish(node.kernel, 'order.placed', 1);
  await until(() => trail.calls.length === 1, 'it is being handled');
  const { context } = trail.calls[0] as (typeof trail.calls)[number];
  // As a server does that never had it, and whose clock is behind.
  await server.cli('EVAL', ANOTHER_WITH_ITS_ID, '1', stream, context.cursor);
  trail.history.record({ fact: 'publish', id: '2' });
  await until(() => timesHandled(2) === 1, 'the other one is being handled');
  expect(context.signal.aborted).toBe(true);
  end(1);
  await until(() => trail.done.includes(1), 'the first one ends');
  await node.kernel.publish('order.placed', { n: 3 });
  await until(() => timesHandled(3) === 1, 'whatever it had to say has been said');
  expect(Object.values(await state.pendingByConsumer(TOPIC))).toEqual([2]);
  end(2);
  end(3);
  await state.whenSettled(TOPIC);
  expect(trail.done.sort()).toEqual([1, 2, 3]);
});

test('a delivery that was lost to one who died is ours again, and still in one handler', async () => {
  await using all = await scene();
  const { node, state, trail, stream, end } = all;
  await trail.publish(node.kernel, 'order.placed', 1);
  await until(() => trail.calls.length === 1, 'it is being handled');
  const { context } = trail.calls[0] as (typeof trail.calls)[number];
  const [consumer] = Object.keys(await state.pendingByConsumer(TOPIC)) as [string];
  await server.cli('XCLAIM', stream, 'shop', 'who-dies', '0', context.cursor);
  await until(() => node.hears('leaseLost').length === 1, 'the loss is told');
  expect(context.signal.aborted).toBe(true);
  await until(async () => (await state.pendingByConsumer(TOPIC))[consumer] === 1, 'it is pending for us again');
  // Its lease is renewed as any other: nobody else gets it.
  await using other = await startNode({ url: server.url, prefix: `again-${count}` });
  await other.kernel.subscribe('order.*', trail.handler('other'));
  await sleep(2 * leaseMs);
  expect(trail.calls).toHaveLength(1);
  end(1);
  await state.whenSettled(TOPIC);
  expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
});
