import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisSentinelService, redisSentinel } from '@logistically/events-conformance/services';
import type { Health } from '@logistically/events-kernel';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Node, type NodeOptions, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ gossipMs: 200, downAfterMs: 500, failoverTimeoutMs: 2000 });
});
beforeEach(async () => {
  for (const node of [...servers.nodes, ...servers.sentinels]) await node.start();
  await servers.ready();
});
afterAll(() => servers.stop());

let count = 0;
const start = (options: Partial<NodeOptions> = {}): Promise<Node> =>
  startNode({ servers, prefix: `health-${++count}`, ...options });

/** Waits until health says what is expected; a failure tells what it said last. */
const whenHealth = async ({ kernel }: Node, what: string, isExpected: (health: Health) => boolean): Promise<void> => {
  let health: Health | undefined;
  await until(
    async () => {
      health = await kernel.health();
      return isExpected(health);
    },
    () => [what, 'and not', health?.problems],
  );
};

const whenNamed = (node: Node, cause: RegExp): Promise<void> =>
  whenHealth(node, String(cause), ({ problems }) => problems.some(({ problem }) => cause.test(problem)));

const whenWell = (node: Node): Promise<void> => whenHealth(node, 'it is well again', ({ healthy }) => healthy);

test('a failover: that the master is down, that another one is being made, and then nothing', async () => {
  await using node = await start();
  expect(await node.kernel.health()).toEqual({ healthy: true, problems: [] });
  await (await servers.master()).kill();
  const problems = new Set<string>();
  await until(async () => {
    const { healthy, problems: now } = await node.kernel.health();
    for (const { problem } of now) problems.add(problem);
    return healthy;
  }, 'it is well again');
  expect([...problems].join('\n')).toMatch(/the master is down|failing over/);
});

test('that there are too few sentinels to elect another master', async () => {
  await using node = await start();
  const [, second, third] = servers.sentinels;
  await Promise.all([second?.kill(), third?.kill()]);
  await (await servers.master()).kill();
  await whenNamed(node, /no quorum: 1 of 3 sentinels can be reached/);
  await Promise.all([second?.start(), third?.start()]);
  await whenWell(node);
});

test('that no sentinel can be reached', async () => {
  await using node = await start();
  await Promise.all(servers.sentinels.map((each) => each.kill()));
  const master = await Promise.any(
    servers.nodes.map(async (each) => {
      if (!String(await each.cli('ROLE')).startsWith('master')) throw new Error('a replica');
      return each;
    }),
  );
  await master.kill();
  await whenNamed(node, /None of 3 sentinels can be reached/);
  await master.start();
  await Promise.all(servers.sentinels.map((each) => each.start()));
  await whenWell(node);
});

test('that the sentinels do not know the name any more', async () => {
  await using node = await start();
  const quorum = 2;
  const master = await servers.master();
  for (const each of servers.sentinels) await each.cli('SENTINEL', 'REMOVE', servers.name);
  await master.kill();
  await whenNamed(node, /know no master `mymaster`/);
  await master.start();
  for (const each of servers.sentinels) {
    await each.cli('SENTINEL', 'MONITOR', servers.name, master.host, String(master.port), String(quorum));
    await each.cli('SENTINEL', 'SET', servers.name, 'down-after-milliseconds', '500', 'failover-timeout', '2000');
  }
  await whenWell(node);
});

test('that its server is a read-only replica', async () => {
  await using node = await start({ enableFailover: false, commandTimeout: 500 });
  await servers.failover();
  await whenNamed(node, /replica/);
});

test('that the server cannot persist', async () => {
  await using node = await start();
  const master = await servers.master();
  const pid = /process_id:(\d+)/.exec(String(await master.cli('INFO', 'server')))?.[1];
  await master.cli('SET', 'some', 'thing');
  await master.cli('CONFIG', 'SET', 'save', '3600 1', 'rdb-key-save-delay', '10000000');
  try {
    await master.cli('BGSAVE');
    // The process that saves dies, as on a machine without memory.
    process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()), 'SIGKILL');
    await whenNamed(node, /cannot persist \(MISCONF\)/);
  } finally {
    await master.cli('CONFIG', 'SET', 'save', '', 'rdb-key-save-delay', '0');
  }
  await master.cli('BGSAVE');
  await whenWell(node);
});

test('that the server has no memory for another event', async () => {
  await using node = await start();
  const master = await servers.master();
  await master.cli('CONFIG', 'SET', 'maxmemory', '1');
  await whenNamed(node, /at its memory limit \(maxmemory\)/);
  await master.cli('CONFIG', 'SET', 'maxmemory', '0');
  await whenWell(node);
});

/** A node that has handled five events, and whose lag would be told soon. */
const consumed = async () => {
  const trail = new Trail();
  const node = await start({ leaseMs: 300 });
  const state = new State(servers, `health-${count}`);
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 5);
  await trail.whenComplete();
  return { node, trail, state };
};

test('that a group has a lag and gets nothing', async () => {
  const { node, trail } = await consumed();
  await using _ = node;
  const master = await servers.master();
  await master.cli('ACL', 'SETUSER', 'default', '-xreadgroup');
  await until(() => node.hears('error').length > 0, 'a read is refused');
  await trail.publishAll(node.kernel, 'order.placed', 6, 10);
  await whenNamed(node, /group shop has a lag of 5 in order-events and gets nothing/);
  await master.cli('ACL', 'SETUSER', 'default', '+xreadgroup');
  await whenWell(node);
  await trail.whenComplete();
});

test('that a counter of reads is behind, as on a server that took over, is no lag', async () => {
  const { node, trail, state } = await consumed();
  await using _ = node;
  await state.whenSettled('order-events', 'shop');
  const master = await servers.master();
  await master.cli('XGROUP', 'SETID', state.stream('order-events'), 'shop', '$', 'ENTRIESREAD', '1');
  // From when on a lag would be told.
  await sleep(600);
  expect(await node.kernel.health()).toEqual({ healthy: true, problems: [] });
  const { partitions } = await node.transport.capabilities.inspect.topic('order-events');
  expect(partitions[0]?.groups).toMatchObject([{ group: 'shop', lag: 0 }]);
  // What does wait is counted.
  await master.cli('XGROUP', 'SETID', state.stream('order-events'), 'shop', '0', 'ENTRIESREAD', '0');
  await trail.publish(node.kernel, 'order.placed', 6);
  await until(() => trail.done.filter((n) => n === 6).length === 1, 'it goes on');
});
