import {
  type NetworkProxy,
  proxy,
  type RedisSentinelService,
  redisSentinel,
} from '@logistically/events-conformance/services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Address } from '../src/index.ts';
import { startNode } from './node.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let servers: RedisSentinelService;
const proxies: NetworkProxy[] = [];
const outside = new Map<string, NetworkProxy>();
beforeAll(async () => {
  servers = await redisSentinel({ gossipMs: 200, downAfterMs: 500 });
  for (const node of [...servers.nodes, ...servers.sentinels]) {
    const way = await proxy(node);
    proxies.push(way);
    outside.set(`${node.host}:${node.port}`, way);
  }
});
afterAll(async () => {
  await Promise.all(proxies.map((each) => each.stop()));
  await servers.stop();
});

const addressOf = ({ host, port }: NetworkProxy): Address => ({ host, port });
const wayTo = ({ host, port }: Address): NetworkProxy => outside.get(`${host}:${port}`) as NetworkProxy;

const MAPS = {
  table: () => Object.fromEntries([...outside].map(([inside, way]) => [inside, addressOf(way)])),
  function: () => (inside: string) => addressOf(outside.get(inside) as NetworkProxy),
};

test.each(['table', 'function'] as const)(
  'servers and sentinels are reached where the map has them: a %s',
  async (kind) => {
    await servers.ready();
    const trail = new Trail();
    const sentinels = servers.sentinels.map((each) => addressOf(wayTo(each)));
    await using node = await startNode({ servers: { sentinels }, natMap: MAPS[kind](), prefix: kind });
    expect(await trail.publish(node.kernel, 'order.placed', 1)).toBe(true);
    await servers.failover();
    await servers.ready();
    expect(await trail.publish(node.kernel, 'order.placed', 2)).toBe(true);
    await until(() => node.hears('connected').length > 1, 'the new master is followed');
    // It is the way that the map has.
    const before = node.hears('disconnected').length;
    wayTo(await servers.master()).cut();
    await until(() => node.hears('disconnected').length > before, 'the way is cut');
    expect(await trail.publish(node.kernel, 'order.placed', 3)).toBe(true);
  },
);
