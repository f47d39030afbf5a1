import { type RedisSentinelService, redisSentinel, spawnWorker } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { connectionsOf } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ gossipMs: 200, downAfterMs: 500 });
});
beforeEach(async () => {
  for (const node of [...servers.nodes, ...servers.sentinels]) {
    await node.thaw();
    await node.start();
  }
  await servers.ready();
});
afterAll(() => servers.stop());

const all = (): Promise<string[][]> =>
  Promise.all([...servers.nodes, ...servers.sentinels].map((each) => connectionsOf(each)));

const whenNone = (): Promise<void> =>
  until(async () => (await all()).flat().length === 0, 'no connection is left', 20_000);

test('connections are as few as the README says, over any number of failovers, and none is left after the stop', async () => {
  const trail = new Trail();
  const node = await startNode({ servers, prefix: 'process-1', durability: { replicas: 1 } });
  for (let i = 0; i < 20; i++) await node.kernel.subscribe(`entity${i}.*`, trail.handler(`${i}`));
  for (let round = 0; round < 3; round++) {
    const master = await servers.master();
    await until(
      async () => (await connectionsOf(master)).join() === 'events-commands,events-publisher,events-reader',
      'three connections to the master',
    );
    for (const replica of await servers.replicas())
      await until(async () => (await connectionsOf(replica)).length === 0, 'none to a replica');
    for (const sentinel of servers.sentinels)
      await until(
        async () => (await connectionsOf(sentinel)).join() === 'events-sentinel,events-sentinel',
        'two to each sentinel',
      );
    await servers.failover();
    await servers.ready();
  }
  await node.kernel.stop();
  await whenNone();
});

test('a kernel that stops while its master is frozen leaves no connection behind', async () => {
  const node = await startNode({ servers, prefix: 'process-2' });
  await node.kernel.subscribe('order.*', () => {});
  const master = await servers.master();
  await master.freeze();
  await node.kernel.stop(500);
  await master.thaw();
  await whenNone();
});

test.each(['stopped', 'not started', 'without servers'])('nothing keeps the process: %s', async (how) => {
  const plan = { sentinels: servers.sentinels.map(({ host, port }) => ({ host, port })), how };
  if (how === 'without servers') await Promise.all([...servers.nodes, ...servers.sentinels].map((each) => each.kill()));
  await using worker = spawnWorker(new URL('./worker.ts', import.meta.url), [JSON.stringify(plan)]);
  expect(await worker.exit).toMatchObject({ code: 0 });
});
