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
const newPrefix = (): string => `pressure-${++count}`;

const ENTITIES = ['order', 'bill', 'parcel', 'refund', 'stock'];

/** Holds handlers; lets them go one by one, or all. */
const turnstile = () => {
  const waiting: (() => void)[] = [];
  let open = false;
  return {
    pass: () => (open ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
    one: () => waiting.shift()?.(),
    all: () => {
      open = true;
      for (const go of waiting.splice(0)) go();
    },
  };
};

describe.concurrent('back-pressure', () => {
  test('a consumer with three slots never has more than three pending, whatever waits', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const witness = new Trail(['witness']);
    const gate = turnstile();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('order.*', witness.handler('witness'), { group: 'witness', concurrency: 50 });
    await node.kernel.subscribe('order.*', trail.handler('consumer', gate.pass), { concurrency: 3 });
    await trail.publishAll(node.kernel, 'order.placed', 1, 50);
    await until(() => witness.done.length === 50 && trail.calls.length === 3, 'three are being handled');
    for (let released = 0; released < 20; released++) {
      expect(await state.pending('order-events')).toBe(3);
      expect(trail.calls).toHaveLength(released + 3);
      gate.one();
      await until(() => trail.calls.length === released + 4, 'the next one is handled');
      await until(async () => (await state.pending('order-events')) <= 3, 'what is done is acknowledged');
    }
    gate.all();
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, duplicated: { count: 0 } });
    await state.whenSettled('order-events');
  });

  test('two slots for five topics with a backlog: two pending in all, and each topic has its turn', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const witness = new Trail(['witness']);
    const gate = turnstile();
    await using node = await startNode({ url: server.url, prefix });
    const pending = async (): Promise<number> => {
      const each = await Promise.all(ENTITIES.map((entity) => state.pending(`${entity}-events`)));
      return each.reduce((sum, one) => sum + one);
    };
    for (const [index, entity] of ENTITIES.entries())
      await trail.publishAll(node.kernel, `${entity}.placed`, index * 20 + 1, index * 20 + 20);
    const earliest = { from: 'earliest' } as const;
    await node.kernel.subscribe('*.placed', trail.handler('consumer', gate.pass), { ...earliest, concurrency: 2 });
    await node.kernel.subscribe('*.placed', witness.handler('witness'), { ...earliest, group: 'witness' });
    await until(() => witness.done.length === 100 && trail.calls.length === 2, 'two are being handled');
    for (let released = 0; released < 30; released++) {
      expect(await pending()).toBe(2);
      expect(trail.calls).toHaveLength(released + 2);
      gate.one();
      await until(() => trail.calls.length === released + 3, 'the next one is handled');
      await until(async () => (await pending()) <= 2, 'what is done is acknowledged');
    }
    // None of the five had to wait until another one was empty.
    expect(new Set(trail.calls.map(({ context }) => context.topic)).size).toBe(5);
    gate.all();
    await trail.whenComplete();
    expect(trail.check({ order: 'start' })).toMatchObject({ lost: { count: 0 }, concurrent: { count: 0 } });
    await until(async () => (await pending()) === 0, 'nothing is pending');
  });

  test('one slot for five topics: each keeps its order', async () => {
    const prefix = newPrefix();
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    for (const [index, entity] of ENTITIES.entries())
      await trail.publishAll(node.kernel, `${entity}.placed`, index * 40 + 1, index * 40 + 40);
    await node.kernel.subscribe('*.placed', trail.handler('consumer'), { from: 'earliest' });
    await trail.whenComplete();
    expect(trail.check({ order: 'completion' })).toMatchObject({ ok: true, duplicated: { count: 0 } });
  });

  test('takes over no more than there are slots for', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    const gate = turnstile();
    const stream = state.keys.stream('order-events', 0);
    await using node = await startNode({ url: server.url, prefix });
    await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
    await trail.publishAll(node.kernel, 'order.placed', 1, 20);
    await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
    await node.kernel.subscribe('order.*', trail.handler('consumer', gate.pass), { concurrency: 4 });
    await until(() => trail.calls.length === 4, 'four are taken over');
    const others = async (): Promise<number> => (await state.pendingByConsumer('order-events')).dead ?? 0;
    expect(await others()).toBe(16);
    gate.one();
    await until(() => trail.calls.length === 5, 'the next one is taken over');
    expect(await others()).toBe(15);
    gate.all();
    await trail.whenComplete();
    expect(trail.calls.map(({ attempt }) => attempt)).toEqual(Array(20).fill(2));
  });
});
