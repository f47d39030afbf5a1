import { inspect } from 'node:util';
import { certify } from '@logistically/events-conformance';
import * as services from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { aclRule } from '@logistically/events-redis-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisCluster } from '../src/index.ts';
import { Mortals } from './mortal.ts';
import { createNode, type Node, type NodeOptions, startNode } from './node.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';
import { everyRole, refusalsOf, userOf } from './users.ts';

const CANARY = 'canary-5ecret';
const OPTIONS = { topology: 'cluster', prefix: 'secure' } as const;
const { prefix } = OPTIONS;

const made = services.certificates();
const cluster = await services.redisCluster({
  appendonly: true,
  appendfsync: 'always',
  // Nobody is to be replaced because a busy machine held it up.
  nodeTimeoutMs: 10_000,
  tls: { certificates: made, authClients: true },
  users: [
    everyRole('all', CANARY, OPTIONS),
    userOf(aclRule('publisher', { ...OPTIONS, user: 'publisher' }), CANARY),
    userOf(aclRule('consumer', { ...OPTIONS, user: 'consumer' }), CANARY),
  ],
});
afterAll(async () => {
  await cluster.stop();
  await made.stop();
});

const TLS = { ca: made.ca.cert, cert: made.client.cert, key: made.client.key };
const clusterNodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
const as = (username: string, options: Partial<NodeOptions> = {}): NodeOptions => ({
  clusterNodes,
  prefix,
  partitions: 8,
  redis: { username, password: CANARY, tls: TLS },
  ...options,
});

const refusals = async (): Promise<string[]> => (await Promise.all(cluster.nodes.map(refusalsOf))).flat();

const everything = (value: unknown): string =>
  inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null });

/** Looks for the secret in what a node has logged and told, in its health, and in `said`. */
const expectNoSecret = async (node: Node, ...said: readonly unknown[]): Promise<void> => {
  const told = (['connected', 'disconnected', 'error', 'notice', 'recovered', 'stopped'] as const).map(node.hears);
  const failed = node.hears('publishFailed').map(({ reason }) => reason);
  const stacks = said.map((each) => (each instanceof Error ? each.stack : undefined));
  expect(everything([said, stacks, told, failed, await node.kernel.health(), node.logged])).not.toContain(CANARY);
};

/** Starts a node that cannot start. Returns why, after the secret was looked for in all that it said. */
const failureOf = async (options: NodeOptions): Promise<Error & { readonly code: string }> => {
  const node = createNode(options);
  const reason: unknown = await node.kernel.start().catch((thrown: unknown) => thrown);
  expect(isEventsError(reason)).toBe(true);
  await expectNoSecret(node, reason);
  return reason as Error & { readonly code: string };
};

describe('over TLS, as users who may do what they need and nothing else', () => {
  const mortals = new Mortals();
  certify(
    () =>
      mortals.make((connect) =>
        redisCluster({
          clusterNodes,
          connect,
          prefix,
          leaseMs: 1000,
          claimIntervalMs: 100,
          commandTimeout: 2000,
          failoverRecovery: { enabled: false },
          redis: { username: 'all', password: CANARY, tls: TLS },
        }),
      ),
    {
      timeoutMs: 10_000,
      runs: 5,
      restart: async () => {
        for (const node of await cluster.masters()) await node.restart();
      },
      crash: mortals.kill,
      freeze: async () => {
        await Promise.all(cluster.nodes.map((node) => node.freeze()));
        return async () => {
          await Promise.all(cluster.nodes.map((node) => node.thaw()));
        };
      },
      wipe: async () => {
        for (const node of await cluster.masters()) await node.cli('FLUSHALL');
      },
    },
  );

  test('all of that was refused nothing', async () => {
    await cluster.ready();
    expect(await refusals()).toEqual([]);
  });

  test('a publisher and a consumer, each with the rights of its own role, while a slot moves', async () => {
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
    const slot = cluster.slotOf(`${prefix}:{cash-events:0}:cash-events`);
    const owner = await cluster.slotOwner(slot);
    const [other] = (await cluster.masters()).filter((node) => node !== owner);
    const moving = cluster.moveSlot(slot, other as typeof owner);
    await trail.publishAll(publisher.kernel, 'cash.paid', 51, 100);
    await moving;
    await trail.whenComplete();
    expect(trail.rejections).toEqual([]);
    expect(await consumer.problems()).toEqual([]);
    expect(await refusals()).toEqual([]);
    await expectNoSecret(publisher);
    await expectNoSecret(consumer);
  });
});

const QUICK = { commandTimeout: 1500, connectionTimeout: 1000, failoverRecovery: { enabled: false } } as const;

describe('what is wrong is named, without a secret', () => {
  beforeAll(() => cluster.ready());

  test.each([
    ['another authority', { ...TLS, ca: made.otherCa.cert }, /signed by nobody who is trusted here.*`redis\.tls\.ca`/],
    ['another host', { ...TLS, servername: 'redis.example' }, /certificate is for another host/],
  ])('the nodes have %s', async (_, tls, message) => {
    const reason = await failureOf(as('all', { ...QUICK, redis: { username: 'all', password: CANARY, tls } }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_TLS');
    expect(reason.message).toMatch(message);
  });

  test('a certificate of ours is wanted, and there is none', async () => {
    const reason = await failureOf(
      as('all', { ...QUICK, redis: { username: 'all', password: CANARY, tls: { ca: made.ca.cert } } }),
    );
    // In TLS 1.3 the server says so after the handshake: the end of the connection may be faster than its reason.
    expect(reason.code).toMatch(/^EVENTS_REDIS_STREAMS_(TLS|CONNECTION)$/);
  });

  test('an expired certificate', async () => {
    await using old = await services.redis({ tls: { certificates: made, shows: 'expired' } });
    const reason = await failureOf(as('all', { ...QUICK, clusterNodes: [{ host: old.host, port: old.port }] }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_TLS');
    expect(reason.message).toMatch(/certificate has expired: renew it/);
  });

  test('a wrong password', async () => {
    const redis = { username: 'all', password: `${CANARY}-2`, tls: TLS };
    const reason = await failureOf(as('all', { ...QUICK, redis }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_AUTH');
  });

  test('a publisher without the right to publish, or to these keys', async () => {
    const line = aclRule('publisher', { ...OPTIONS, user: 'lacks' }).replace('>password', `>${CANARY}`);
    const trail = new Trail();
    for (const { cli } of cluster.nodes) await cli(...line.replace(' +xadd', '').split(' '));
    {
      await using node = await startNode(as('lacks', QUICK));
      await trail.publish(node.kernel, 'order.placed', 1);
      await expectNoSecret(node, trail.rejections);
    }
    for (const { cli } of cluster.nodes) await cli(...line.split(' '));
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
    const line = aclRule('consumer', { ...OPTIONS, user: 'lacks' }).replace('>password', `>${CANARY}`);
    for (const { cli } of cluster.nodes) await cli(...line.replace(' +xreadgroup', '').split(' '));
    await using node = await startNode(as('lacks', QUICK));
    await node.kernel.subscribe('order.*', () => {});
    await using publisher = await startNode(as('all'));
    await publisher.kernel.publish('order.placed', {});
    await until(() => node.hears('error').length > 0, 'it is told');
    const reason = node.hears('error')[0]?.reason as Error;
    expect(reason).toMatchObject({ code: 'EVENTS_REDIS_STREAMS_NO_PERMISSION' });
    expect(reason.message).toContain('It lacks +xreadgroup.');
    await expectNoSecret(node);
  });

  test('a user without the right to ask for the slots', async () => {
    const line = aclRule('consumer', { ...OPTIONS, user: 'blind' }).replace('>password', `>${CANARY}`);
    for (const { cli } of cluster.nodes) await cli(...line.replace(' +cluster|slots', '').split(' '));
    const reason = await failureOf(as('blind', QUICK));
    expect(reason.message).toContain('It lacks +cluster|slots.');
  });
});
