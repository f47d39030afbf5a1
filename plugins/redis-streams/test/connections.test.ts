import { setTimeout as sleep } from 'node:timers/promises';
import { redis } from '@logistically/events-conformance/services';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { monitor } from './monitor.ts';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

describe.concurrent('100 idle subscriptions', () => {
  test('share one blocking connection, over which nothing else goes', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const trail = new Trail();
    const names = async (): Promise<string[]> => (await state.connections()).map(({ name }) => name).sort();
    await using node = await startNode({ url: server.url });
    for (let i = 0; i < 100; i++) await node.kernel.subscribe(`entity${i}.*`, trail.handler(`${i}`));
    expect(await names()).toEqual(['events-commands', 'events-reader']);
    // A lane more for another concurrency, and for another group.
    await node.kernel.subscribe('entity1.*', () => {}, { concurrency: 2 });
    await node.kernel.subscribe('entity1.*', () => {}, { group: 'other' });
    expect(await names()).toEqual(['events-commands', 'events-reader', 'events-reader', 'events-reader']);

    await using watched = await monitor(server);
    for (let n = 1; n <= 50; n++) await trail.publish(node.kernel, `entity${n}.placed`, n);
    await trail.publishAll(node.kernel, 'entity1.placed', 51, 100);
    await trail.whenComplete();
    const blocking = new Set(['xread', 'xreadgroup']);
    const readers = (await state.connections()).filter(({ name }) => name === 'events-reader').map(({ addr }) => addr);
    const [commands] = (await state.connections()).filter(({ name }) => name === 'events-commands');
    const commandsOf = new Map<string, Set<string>>();
    for (const { source, words } of watched.seen)
      commandsOf.set(source, (commandsOf.get(source) ?? new Set()).add(String(words[0]).toLowerCase()));
    for (const [address, ran] of commandsOf)
      if (readers.includes(address)) expect([...ran].filter((command) => !blocking.has(command))).toEqual([]);
      else expect([...ran].filter((command) => blocking.has(command))).toEqual([]);
    expect(commandsOf.get(commands?.addr ?? '')).toContain('xadd');
    expect(readers.filter((address) => commandsOf.has(address))).toHaveLength(3);
  });

  test('do not make a publish slower', async () => {
    await using server = await redis({ exclusive: true });
    await using idle = await startNode({ url: server.url, claimIntervalMs: 1000, leaseMs: 30_000 });
    await using plain = await startNode({ url: server.url });
    for (let i = 0; i < 100; i++) await idle.kernel.subscribe(`entity${i}.*`, () => {});
    // Turn by turn, so that whatever else the machine does meets both alike.
    const times = { idle: [] as number[], plain: [] as number[] };
    const turns = [
      ['idle', idle],
      ['plain', plain],
    ] as const;
    for (let round = 0; round < 500; round++)
      for (const [name, { kernel }] of round % 2 ? turns : turns.toReversed()) {
        const began = performance.now();
        await kernel.publish('order.placed', { round });
        times[name].push(performance.now() - began);
      }
    const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length / 2] as number;
    const [withIdle, without] = [median(times.idle), median(times.plain)];
    console.log(
      `publish p50 with 100 idle subscriptions ${(withIdle * 1000).toFixed(0)} µs, without ${(without * 1000).toFixed(0)} µs`,
    );
    // A publish behind a blocking read would take a thousand times as long; the figures themselves are the benchmark's.
    expect(withIdle / without).toBeLessThan(3);
  });
});

describe.concurrent('an injected client', () => {
  test('whose keys have a prefix of their own is refused: what it reads would be taken for somebody else’s', async () => {
    await using server = await redis({ exclusive: true });
    await using client = Object.assign(new Redis(server.url, { keyPrefix: 'app:' }), {
      [Symbol.asyncDispose]: async function (this: Redis) {
        this.disconnect();
      },
    });
    await expect(startNode({ client })).rejects.toMatchObject({
      code: 'EVENTS_CONFIG',
      message: expect.stringContaining('keyPrefix'),
    });
    await expect(startNode({ url: server.url, redis: { keyPrefix: 'app:' } })).rejects.toMatchObject({
      code: 'EVENTS_CONFIG',
    });
  });

  test('carries the commands, and is never closed', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const client = new Redis(server.url, { connectionName: 'events-injected' });
    try {
      const trail = new Trail();
      const node = await startNode({ client });
      const names = async (): Promise<string[]> => (await state.connections()).map(({ name }) => name).sort();
      for (let round = 0; round < 2; round++) {
        const subscription = await node.kernel.subscribe('order.*', trail.handler(`consumer ${round}`));
        await trail.publishAll(node.kernel, 'order.placed', round * 10 + 1, round * 10 + 10);
        await trail.whenComplete();
        expect(await names()).toEqual(['events-injected', 'events-reader']);
        await subscription.unsubscribe();
        await node.kernel.stop();
        expect(await names()).toEqual(['events-injected']);
        expect(await client.ping()).toBe('PONG');
        if (round === 0) await node.kernel.start();
      }
      // Nothing of us is left on it.
      for (const event of ['ready', 'connect', 'close', 'end', 'error']) expect(client.listenerCount(event)).toBe(0);
      expect(trail.check()).toMatchObject({ ok: true, published: 20, duplicated: { count: 0 } });
    } finally {
      client.disconnect();
    }
  });

  test('that loses its connection loses no event', async () => {
    await using server = await redis({ exclusive: true });
    const client = new Redis(server.url);
    client.on('error', () => {});
    try {
      const trail = new Trail();
      await using node = await startNode({ client });
      await node.kernel.subscribe(
        'order.*',
        trail.handler('consumer', () => sleep(2)),
      );
      for (let round = 0; round < 5; round++) {
        const publishing = trail.publishAll(node.kernel, 'order.placed', round * 20 + 1, round * 20 + 20);
        await server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
        await publishing;
      }
      await trail.whenComplete();
      expect(trail.check().phantom.count).toBe(0);
    } finally {
      client.disconnect();
    }
  });
});

test('connections of one factory are made by its options, and closed with the transport', async () => {
  await using server = await redis({ exclusive: true });
  const state = new State(server);
  const made: string[] = [];
  const node = await startNode({
    connect: (purpose, options) => {
      made.push(purpose);
      return new Redis(server.url, { ...options, connectionName: `events-mine-${purpose}` });
    },
  });
  await node.kernel.subscribe('order.*', () => {});
  expect(made).toEqual(['commands', 'reader']);
  const names = async (): Promise<string[]> => (await state.connections()).map(({ name }) => name).sort();
  expect(await names()).toEqual(['events-mine-commands', 'events-mine-reader']);
  await node.kernel.stop();
  await until(async () => (await names()).length === 0, 'both are closed');
});
