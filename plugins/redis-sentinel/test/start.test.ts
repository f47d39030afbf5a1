import { proxy, type RedisSentinelService, redis, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNode } from './node.ts';
import { CANARY, failureOf } from './secret.ts';
import { connectionsOf } from './state.ts';

const SECRET = {
  credentials: () => ({ username: 'service', password: CANARY }),
  sentinelCredentials: { password: CANARY },
};
const QUICK = { commandTimeout: 1500, connectionTimeout: 1000 };

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({ replicas: 1, gossipMs: 200, sentinelPassword: CANARY });
});
afterAll(() => servers.stop());

test('nobody listens where the sentinels are said to be', async () => {
  await using gone = await redis({ exclusive: true });
  await gone.stop();
  const { code, message } = await failureOf(createNode({ servers: { sentinels: [gone] }, ...SECRET, ...QUICK }));
  expect(code).toBe('EVENTS_REDIS_SENTINEL_UNREACHABLE');
  expect(message).toMatch(/None of 1 sentinels can be reached.*ECONNREFUSED/);
});

test('a host name that does not resolve', async () => {
  const sentinels = [{ host: 'no-such-host.invalid' }];
  const { code } = await failureOf(createNode({ servers: { sentinels }, ...SECRET, ...QUICK }));
  expect(code).toBe('EVENTS_REDIS_SENTINEL_UNREACHABLE');
});

test('sentinels that take connections and answer nothing', async () => {
  await using network = await proxy(servers.sentinels[0] as { host: string; port: number });
  network.stall();
  const { code } = await failureOf(createNode({ servers: { sentinels: [network] }, ...SECRET, ...QUICK }));
  expect(code).toBe('EVENTS_REDIS_SENTINEL_UNREACHABLE');
});

test('a name that the sentinels do not know', async () => {
  const { code, message } = await failureOf(
    createNode({ servers, ...QUICK, sentinelCredentials: { password: CANARY }, sentinelName: 'orders' }),
  );
  expect(code).toBe('EVENTS_REDIS_SENTINEL_NO_MASTER');
  expect(message).toContain('`orders`');
  expect(message).toContain('`sentinelName`');
});

test('a server with data in place of a sentinel', async () => {
  await using server = await redis({ exclusive: true });
  const { code, message } = await failureOf(createNode({ servers: { sentinels: [server] }, ...QUICK }));
  expect(code).toBe('EVENTS_REDIS_SENTINEL_REFUSED');
  expect(message).toContain('sentinel');
});

test('a server that needs no password and is given one', async () => {
  const { code } = await failureOf(createNode({ servers, ...QUICK, ...SECRET }));
  expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
});

test('a user who may not do what is needed', async () => {
  const master = await servers.master();
  await master.cli('ACL', 'SETUSER', 'guest', 'on', `>${CANARY}`, '~*', '+@connection', '+info', '+role');
  const node = createNode({
    servers,
    ...QUICK,
    ...SECRET,
    credentials: () => ({ username: 'guest', password: CANARY }),
  });
  await node.kernel.subscribe('order.*', () => {});
  const { code, message } = await failureOf(node);
  expect(code).toBe('EVENTS_REDIS_STREAMS_NO_PERMISSION');
  expect(message).toMatch(/It lacks \+\w/);
});

test('nothing is left of what could not start', async () => {
  for (const each of [...servers.nodes, ...servers.sentinels]) await expect.poll(() => connectionsOf(each)).toEqual([]);
});
