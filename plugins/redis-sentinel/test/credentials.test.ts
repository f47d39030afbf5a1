import { type RedisNode, type RedisSentinelService, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Load } from './load.ts';
import { createNode, startNode } from './node.ts';
import { CANARY, expectNoSecret, failureOf } from './secret.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const SENTINEL_USER = { username: 'events', password: `${CANARY}-sentinel` };

let servers: RedisSentinelService;
beforeAll(async () => {
  servers = await redisSentinel({
    gossipMs: 200,
    downAfterMs: 500,
    password: `${CANARY}-admin`,
    sentinelPassword: `${CANARY}-sentinels`,
    sentinelUsers: [`${SENTINEL_USER.username} on >${SENTINEL_USER.password} +@all &*`],
  });
});
beforeEach(async () => {
  for (const node of servers.nodes) {
    await node.start();
    await node.cli('ACL', 'SETUSER', 'service', 'reset', 'on', `>${CANARY}-1`, '~*', '&*', '+@all');
  }
  await servers.ready();
});
afterAll(() => servers.stop());

let count = 0;
const options = () => ({
  servers,
  prefix: `credentials-${++count}`,
  sentinelCredentials: SENTINEL_USER,
  credentials: () => ({ username: 'service', password: `${CANARY}-1` }),
});

/** Another password for the service, and the end of all connections that were made with the old one. */
const rotate = async (nodes: readonly RedisNode[], password: string): Promise<void> => {
  for (const node of nodes) {
    await node.cli('ACL', 'SETUSER', 'service', 'resetpass', `>${password}`);
    await node.cli('CLIENT', 'KILL', 'USER', 'service');
  }
};

test('a password that is changed under load loses nothing, and a failover finds the new one', async () => {
  const trail = new Trail();
  let password = `${CANARY}-1`;
  const given = { ...options(), credentials: async () => ({ username: 'service', password }) };
  await using publisher = await startNode(given);
  await using consumer = await startNode(given);
  await consumer.kernel.subscribe('order.*', trail.handler('consumer'));
  const load = new Load(trail, publisher.kernel);
  for (let round = 2; round <= 4; round++) {
    await load.whenConfirmed(100);
    // First in the store of secrets, then on the servers.
    password = `${CANARY}-${round}`;
    await rotate(servers.nodes, password);
  }
  await load.whenConfirmed(100);
  await load.stop();
  await trail.whenComplete();
  expect(trail.rejections).toEqual([]);
  expect(trail.check()).toMatchObject({ concurrent: { count: 0 }, phantom: { count: 0 } });
  expect(publisher.hears('disconnected')).toHaveLength(3);

  await (await servers.master()).kill();
  expect(await trail.publish(publisher.kernel, 'order.placed', 100_000)).toBe(true);
  await expectNoSecret(publisher, trail.rejections);
  await expectNoSecret(consumer);
});

test('a password that is changed on the servers first is waited for, and named meanwhile', async () => {
  const trail = new Trail();
  let password = `${CANARY}-1`;
  await using node = await startNode({
    ...options(),
    credentials: () => ({ username: 'service', password }),
    failoverRecovery: { maxRetries: 20 },
  });
  await rotate(servers.nodes, `${CANARY}-2`);
  const publishing = trail.publish(node.kernel, 'order.placed', 1);
  let problems: unknown;
  await until(
    async () => {
      problems = (await node.kernel.health()).problems;
      return /user and password/.test(JSON.stringify(problems));
    },
    () => problems,
  );
  await expectNoSecret(node);
  password = `${CANARY}-2`;
  expect(await publishing).toBe(true);
});

test('credentials that cannot be had are named and asked for again', async () => {
  let times = 0;
  await using node = await startNode({
    ...options(),
    credentials: async () => {
      if (++times < 3) throw new Error(`the vault refuses ${CANARY}`);
      return { username: 'service', password: `${CANARY}-1` };
    },
  });
  expect(times).toBeGreaterThan(2);
  await expectNoSecret(node);
});

test('credentials that are never there end the start, and what refused them is not repeated', async () => {
  const refuse = async (): Promise<never> => {
    throw new Error(`the vault refuses ${CANARY}`);
  };
  const { code } = await failureOf(createNode({ ...options(), credentials: refuse }));
  expect(code).toBe('EVENTS_REDIS_STREAMS_CREDENTIALS');
  const { code: other } = await failureOf(createNode({ ...options(), sentinelCredentials: refuse }));
  expect(other).toBe('EVENTS_REDIS_SENTINEL_UNREACHABLE');
});

test('credentials that are asked for once and never come are asked for again', async () => {
  let [times, hangs] = [0, false];
  await using node = await startNode({
    ...options(),
    connectionTimeout: 1000,
    credentials: () => {
      times++;
      return hangs ? new Promise<never>(() => {}) : { username: 'service', password: `${CANARY}-1` };
    },
  });
  hangs = true;
  const before = times;
  await rotate(servers.nodes, `${CANARY}-1`);
  await until(() => times > before + 1, 'somebody hangs');
  await until(
    async () =>
      (await node.kernel.health()).problems.some(({ problem }) => /`credentials` gave no answer/.test(problem)),
    async () => await node.kernel.health(),
  );
  hangs = false;
  await until(
    () =>
      node.kernel.publish('order.placed', {}).then(
        () => true,
        () => false,
      ),
    'the connection is back',
  );
});

test.each([
  ['a table', SENTINEL_USER],
  ['a function', () => SENTINEL_USER],
  ['the password of all', { password: `${CANARY}-sentinels` }],
])('sentinels have users of their own: %s', async (_, sentinelCredentials) => {
  await using node = await startNode({ ...options(), sentinelCredentials });
  await node.kernel.publish('order.placed', {});
});

test('a wrong password of the servers is named at the start', async () => {
  const node = createNode({ ...options(), credentials: () => ({ username: 'service', password: `${CANARY}-wrong` }) });
  const { code, message } = await failureOf(node);
  expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
  expect(message).toContain('does not accept this user and password');
});

test('a wrong password of the sentinels is named at the start', async () => {
  const node = createNode({ ...options(), sentinelCredentials: { password: `${CANARY}-wrong` } });
  const { code, message } = await failureOf(node);
  expect(code).toMatch(/^EVENTS_REDIS_SENTINEL_/);
  expect(message).toMatch(/None of 3 sentinels.*user and password/);
});

test('no password for sentinels that want one is named at the start', async () => {
  const { sentinelCredentials: _, ...given } = options();
  const { code, message } = await failureOf(createNode(given));
  expect(code).toMatch(/^EVENTS_REDIS_SENTINEL_/);
  expect(message).toMatch(/None of 3 sentinels.*password/);
});
