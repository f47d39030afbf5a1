import { setTimeout as sleep } from 'node:timers/promises';
import { check } from '@logistically/events-conformance';
import { type RedisNode, type RedisSentinelService, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Load } from './load.ts';
import { type Node, type NodeOptions, startNode } from './node.ts';
import { connectionsOf, State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ appendonly: true, gossipMs: 200, downAfterMs: 500 });
});
beforeEach(async () => {
  // Of a test that failed.
  for (const node of servers.nodes) await node.start();
  await servers.ready();
});
afterAll(() => servers.stop());

let count = 0;

/** A publisher, two that share a group, and one that keeps the order; all of them at work. */
interface Shop extends AsyncDisposable {
  readonly trail: Trail;
  readonly load: Load;
  readonly state: State;
  readonly nodes: readonly Node[];
  readonly master: RedisNode;
}

const openShop = async (options: Partial<NodeOptions> = {}): Promise<Shop> => {
  const prefix = `failover-${++count}`;
  const trail = new Trail(['shop', 'ledger']);
  const node = (service: string): Promise<Node> => startNode({ servers, prefix, service, ...options });
  const nodes = await Promise.all(['publisher', 'shop', 'shop', 'ledger'].map(node));
  const [publisher, first, second, ledger] = nodes as [Node, Node, Node, Node];
  for (const [name, { kernel }] of Object.entries({ first, second }))
    await kernel.subscribe(
      'order.*',
      trail.handler(name, (n) => sleep(n % 50 === 0 ? 300 : 1)),
      { concurrency: 5 },
    );
  await ledger.kernel.subscribe('order.*', trail.handler('ledger'));
  const load = new Load(trail, publisher.kernel);
  await load.whenConfirmed();
  return {
    trail,
    load,
    state: new State(servers, prefix),
    nodes,
    master: await servers.master(),
    [Symbol.asyncDispose]: async () => {
      await load.stop();
      await Promise.all(nodes.map((each) => each[Symbol.asyncDispose]()));
    },
  };
};

/**
 * Waits until all is handled that the servers still have, and returns what was confirmed and is gone: with the master, before
 * any replica had it.
 */
const whenHandled = async ({ trail, load, state }: Shop, split?: 'two masters'): Promise<number[]> => {
  await load.stop();
  const stored = await state.stored('order-events');
  await until(
    () => trail.missing.every((n) => !stored.has(n)),
    () => ['not handled', trail.missing.filter((n) => stored.has(n)).slice(0, 10)],
  );
  for (const group of ['shop', 'ledger']) await state.whenSettled('order-events', group);
  const facts = trail.history.facts.filter((fact) => !('group' in fact) || fact.group === 'ledger');
  expect(check({ facts }, { groups: ['ledger'], order: 'start' }).reordered).toMatchObject({ count: 0 });
  const { concurrent, phantom } = trail.check();
  // While two servers are masters, each may give the same event to somebody else.
  if (!split) expect(concurrent).toMatchObject({ count: 0 });
  expect(phantom).toMatchObject({ count: 0 });
  return trail.missing;
};

/** In the end the old master is a replica that nobody of us talks to, and all of us talk to the new one. */
const whenMoved = async ({ nodes }: Shop, old: RedisNode): Promise<void> => {
  await servers.ready();
  const master = await servers.master();
  expect(master.port).not.toBe(old.port);
  const expected = [...Array(nodes.length).fill('events-commands'), ...Array(3).fill('events-reader')];
  await until(
    async () => JSON.stringify(await connectionsOf(master)) === JSON.stringify(expected),
    'all are connected to the master',
  );
  for (const replica of await servers.replicas())
    await until(async () => (await connectionsOf(replica)).length === 0, 'nobody is connected to a replica');
};

test('kill -9 of the master under load', async () => {
  await using shop = await openShop();
  const { trail, load, master, nodes } = shop;
  await master.kill();
  const killed = Date.now();
  await load.whenConfirmed(300);
  const lost = await whenHandled(shop);
  // Nothing that was confirmed since; what was confirmed before was on its way to the replicas.
  expect(lost.filter((n) => (trail.confirmed.get(n) as number) > killed)).toEqual([]);
  expect(trail.rejections).toEqual([]);
  for (const node of nodes) {
    expect(node.hears('disconnected')).toHaveLength(1);
    expect(node.hears('connected')).toHaveLength(2);
    expect(node.hears('leaseLost')).toEqual([]);
  }
  await master.start();
  await whenMoved(shop, master);
  expect(await nodes[1]?.kernel.health()).toEqual({ healthy: true, problems: [] });
});

test('a frozen master is left as soon as the sentinels say so, whatever the command timeout', async () => {
  // Nothing here ends by its own deadline.
  await using shop = await openShop({ commandTimeout: 120_000 });
  const { trail, load, master } = shop;
  await master.freeze();
  try {
    await load.whenConfirmed(300);
    // Events flow, too: nobody waits for a reader that is still connected to the frozen server.
    const done = trail.done.length;
    await until(() => trail.done.length > done + 100, 'events are handled');
  } finally {
    await master.thaw();
  }
  const lost = await whenHandled(shop);
  expect(trail.rejections).toEqual([]);
  // It was frozen with all that its replicas had not got: what it confirmed last is gone at most.
  expect(lost.length).toBeLessThan(500);
  await whenMoved(shop, master);
});

test('a planned failover loses nothing: writes pause until the new master is there', async () => {
  await using shop = await openShop();
  const { trail, load, master } = shop;
  // As the README has it.
  await master.cli('CLIENT', 'PAUSE', '10000', 'WRITE');
  await servers.failover();
  await load.whenConfirmed(300);
  await master.cli('CLIENT', 'UNPAUSE');
  expect(await whenHandled(shop)).toEqual([]);
  expect(trail.rejections).toEqual([]);
  await whenMoved(shop, master);
});

test('a failover that nobody prepared loses what the old master confirmed until all had left it, and nothing else', async () => {
  await using shop = await openShop();
  const { trail, load, master, nodes } = shop;
  const asked = Date.now();
  await servers.failover();
  await load.whenConfirmed(300);
  const left = Date.now();
  const lost = await whenHandled(shop, 'two masters');
  const at = lost.map((n) => trail.confirmed.get(n) as number);
  expect(at.filter((time) => time < asked || time > left)).toEqual([]);
  expect(trail.rejections).toEqual([]);
  await whenMoved(shop, master);
  // Nobody goes back to it.
  for (const node of nodes) expect(node.hears('disconnected')).toHaveLength(1);
});

test('several failovers in a row', async () => {
  await using shop = await openShop();
  const { trail, load } = shop;
  for (let round = 0; round < 3; round++) {
    await servers.ready();
    const master = await servers.master();
    await master.cli('CLIENT', 'PAUSE', '10000', 'WRITE');
    await servers.failover();
    await load.whenConfirmed(100);
    await master.cli('CLIENT', 'UNPAUSE');
  }
  expect(await whenHandled(shop)).toEqual([]);
  expect(trail.rejections).toEqual([]);
});
