import { readFileSync } from 'node:fs';
import { certify } from '@logistically/events-conformance';
import * as services from '@logistically/events-conformance/services';
import { aclRule } from '@logistically/events-redis-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisSentinel } from '../src/index.ts';
import { FakeSentinel } from './fake-sentinel.ts';
import { Mortals } from './mortal.ts';
import { createNode, type NodeOptions, startNode } from './node.ts';
import { CANARY, expectNoSecret, failureOf } from './secret.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';
import { everyRole, refusalsOf, userOf } from './users.ts';

const OPTIONS = { topology: 'sentinel' } as const;
const PREFIX = 'secure';
const PASSWORD = `${CANARY}-service`;

const made = services.certificates();
const servers = await services.redisSentinel({
  appendonly: true,
  appendfsync: 'always',
  tls: { certificates: made, authClients: true },
  users: [
    everyRole('all', PASSWORD, { ...OPTIONS, prefix: PREFIX }),
    userOf(aclRule('publisher', { ...OPTIONS, prefix: PREFIX, user: 'publisher' }), PASSWORD),
    userOf(aclRule('consumer', { ...OPTIONS, prefix: PREFIX, user: 'consumer' }), PASSWORD),
  ],
  sentinelUsers: [userOf(aclRule('sentinel', { user: 'watcher' }), PASSWORD)],
  gossipMs: 200,
  // Nobody is to be replaced because a busy machine held it up.
  downAfterMs: 10_000,
});
afterAll(async () => {
  await servers.stop();
  await made.stop();
});

const TLS = { ca: made.ca.cert, cert: made.client.cert, key: made.client.key };
const SENTINEL = { sentinelCredentials: { username: 'watcher', password: PASSWORD }, sentinelTls: TLS };

const as = (username: string, options: Partial<NodeOptions> = {}): NodeOptions => ({
  servers,
  prefix: PREFIX,
  redis: { username, password: PASSWORD, tls: TLS },
  ...SENTINEL,
  ...options,
});

const refusals = async (): Promise<string[]> =>
  (await Promise.all([...servers.nodes, ...servers.sentinels].map(refusalsOf))).flat();

describe('over TLS, as users who may do what they need and nothing else', () => {
  const mortals = new Mortals();
  certify(
    () =>
      mortals.make((connect) =>
        redisSentinel({
          sentinels: servers.sentinels,
          connect,
          prefix: PREFIX,
          leaseMs: 1000,
          claimIntervalMs: 100,
          commandTimeout: 2000,
          failoverRecovery: { enabled: false },
          redis: { username: 'all', password: PASSWORD, tls: TLS },
          ...SENTINEL,
        }),
      ),
    {
      timeoutMs: 10_000,
      runs: 5,
      restart: async () => (await servers.master()).restart(),
      crash: mortals.kill,
      freeze: async () => {
        await Promise.all(servers.nodes.map((node) => node.freeze()));
        return async () => {
          await Promise.all(servers.nodes.map((node) => node.thaw()));
        };
      },
      wipe: async () => {
        await (await servers.master()).cli('FLUSHALL');
      },
    },
  );

  test('all of that was refused nothing', async () => {
    await servers.ready();
    expect(await refusals()).toEqual([]);
  });

  test('a publisher and a consumer, each with the rights of its own role, over a failover', async () => {
    const trail = new Trail();
    await using publisher = await startNode(as('publisher', { service: 'till' }));
    await using consumer = await startNode(as('consumer'));
    await consumer.kernel.subscribe(
      'cash.*',
      trail.handler('consumer', (n, { attempt }) => {
        if (n % 10 === 0 && attempt === 1) throw new Error('fails at first');
      }),
    );
    await trail.publishAll(publisher.kernel, 'cash.paid', 1, 50);
    await trail.whenComplete();
    await servers.failover();
    await servers.ready();
    await trail.publishAll(publisher.kernel, 'cash.paid', 51, 100);
    await trail.whenComplete();
    expect(trail.rejections).toEqual([]);
    expect(await consumer.kernel.health()).toEqual({ healthy: true, problems: [] });
    expect(await refusals()).toEqual([]);
    await expectNoSecret(publisher);
    await expectNoSecret(consumer);
  });
});

const QUICK = { commandTimeout: 1500, connectionTimeout: 1000, failoverRecovery: { enabled: false } } as const;
const withTls = (tls: object): Partial<NodeOptions> => ({
  redis: { username: 'all', password: PASSWORD, tls },
  ...QUICK,
});

test('the line of the README is the one that was tried', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(`\n${aclRule('sentinel')}\n`);
});

describe('what is wrong is named, without a secret', () => {
  beforeAll(() => servers.ready());

  test.each([
    ['another authority', { ...TLS, ca: made.otherCa.cert }, /signed by nobody who is trusted here.*`redis\.tls\.ca`/],
    ['another host', { ...TLS, servername: 'redis.example' }, /certificate is for another host/],
  ])('the servers have %s', async (_, tls, message) => {
    const reason = await failureOf(createNode(as('all', withTls(tls))));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_TLS');
    expect(reason.message).toMatch(message);
  });

  test.each([
    ['another authority', { ...TLS, ca: made.otherCa.cert }, /signed by nobody who is trusted here.*`sentinelTls\.ca`/],
    ['another host', { ...TLS, servername: 'redis.example' }, /certificate is for another host/],
  ])('the sentinels have %s', async (_, sentinelTls, message) => {
    const reason = await failureOf(createNode(as('all', { ...QUICK, sentinelTls })));
    expect(reason.code).toMatch(/^EVENTS_REDIS_SENTINEL_/);
    expect(reason.message).toMatch(message);
  });

  test('a certificate of ours is wanted, and there is none', async () => {
    const reason = await failureOf(createNode(as('all', withTls({ ca: made.ca.cert }))));
    // In TLS 1.3 the server says so after the handshake: the end of the connection may be faster than its reason.
    expect(reason.code).toMatch(/^EVENTS_REDIS_STREAMS_(TLS|CONNECTION)$/);
  });

  test('an expired certificate', async () => {
    await using server = await services.redis({ tls: { certificates: made, shows: 'expired' } });
    await using sentinel = await FakeSentinel.start(server);
    const { sentinelTls: _, sentinelCredentials: __, ...given } = as('default', withTls(TLS));
    const reason = await failureOf(createNode({ ...given, servers: { sentinels: [sentinel] } }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_TLS');
    expect(reason.message).toMatch(/certificate has expired: renew it/);
  });

  test('a server that does not understand TLS and answers nothing', async () => {
    await using server = await services.redis({ exclusive: true });
    await using sentinel = await FakeSentinel.start(server);
    const { sentinelTls: _, sentinelCredentials: __, ...given } = as('default', withTls(TLS));
    const reason = await failureOf(createNode({ ...given, servers: { sentinels: [sentinel] } }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
  });

  test('a publisher without the right to publish, or to these keys', async () => {
    const line = aclRule('publisher', { ...OPTIONS, prefix: PREFIX, user: 'lacks' }).replace(
      '>password',
      `>${PASSWORD}`,
    );
    const trail = new Trail();
    for (const { cli } of servers.nodes) await cli(...line.replace(' +xadd', '').split(' '));
    {
      await using node = await startNode(as('lacks', QUICK));
      await trail.publish(node.kernel, 'order.placed', 1);
      await expectNoSecret(node, trail.rejections);
    }
    for (const { cli } of servers.nodes) await cli(...line.split(' '));
    {
      await using node = await startNode(as('lacks', { ...QUICK, prefix: 'elsewhere' }));
      await trail.publish(node.kernel, 'order.placed', 2);
      await expectNoSecret(node, trail.rejections);
    }
    expect(trail.rejections).toMatchObject(Array(2).fill({ code: 'EVENTS_REDIS_STREAMS_NO_PERMISSION' }));
    expect(String(trail.rejections[0])).toContain('It lacks +xadd.');
    expect(String(trail.rejections[1])).toContain('It lacks a key pattern: look at `prefix`.');
  });

  test('a consumer without the right to read', async () => {
    const line = aclRule('consumer', { ...OPTIONS, prefix: PREFIX, user: 'lacks' }).replace(
      '>password',
      `>${PASSWORD}`,
    );
    for (const { cli } of servers.nodes) await cli(...line.replace(' +xreadgroup', '').split(' '));
    await using node = await startNode(as('lacks', QUICK));
    await node.kernel.subscribe('order.*', () => {});
    await until(() => node.hears('error').length > 0, 'it is told');
    const reason = node.hears('error')[0]?.reason as Error;
    expect(reason).toMatchObject({ code: 'EVENTS_REDIS_STREAMS_NO_PERMISSION' });
    expect(reason.message).toContain('It lacks +xreadgroup.');
    await expectNoSecret(node);
  });

  test('a user of the sentinels without the right to ask for the master', async () => {
    const line = aclRule('sentinel', { user: 'blind' }).replace('>password', `>${PASSWORD}`);
    for (const { cli } of servers.sentinels) await cli(...line.replace(' +sentinel|master', '').split(' '));
    const reason = await failureOf(
      createNode(as('all', { ...QUICK, sentinelCredentials: { username: 'blind', password: PASSWORD } })),
    );
    expect(reason.code).toMatch(/^EVENTS_REDIS_SENTINEL_/);
    expect(reason.message).toContain('It lacks +sentinel|master.');
  });
});
