import { inspect } from 'node:util';
import { certify } from '@logistically/events-conformance';
import * as services from '@logistically/events-conformance/services';
import { isEventsError, type Transport } from '@logistically/events-kernel';
import { Redis } from 'ioredis';
import { afterAll, describe, expect, test } from 'vitest';
import { aclRule, redisStreams } from '../src/index.ts';
import { createNode, type Node, type NodeOptions, startNode } from './node.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';
import { everyRole, refusalsOf, userOf } from './users.ts';

const CANARY = 'canary-5ecret';
const PREFIX = 'secure';
const made = services.certificates();
const server = await services.redis({
  exclusive: true,
  appendonly: true,
  appendfsync: 'always',
  tls: { certificates: made, authClients: true },
  users: [
    everyRole('all', CANARY, { prefix: PREFIX }),
    userOf(aclRule('publisher', { prefix: PREFIX, user: 'publisher' }), CANARY),
    userOf(aclRule('consumer', { prefix: PREFIX, user: 'consumer' }), CANARY),
  ],
});
afterAll(async () => {
  await server.stop();
  await made.stop();
});

const TLS = { ca: made.ca.cert, cert: made.client.cert, key: made.client.key };
const urlOf = (username: string, password = CANARY): string =>
  `rediss://${username}:${password}@${server.host}:${server.port}`;
const as = (username: string, options: Partial<NodeOptions> = {}): NodeOptions => ({
  url: urlOf(username),
  prefix: PREFIX,
  redis: { tls: TLS },
  ...options,
});

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
  const clients = new WeakMap<Transport, Redis[]>();
  certify(
    () => {
      const own: Redis[] = [];
      const transport = redisStreams({
        connect: (_, options) => {
          const client = new Redis(urlOf('all'), { ...options, tls: TLS });
          own.push(client);
          return client;
        },
        prefix: PREFIX,
        leaseMs: 1000,
        claimIntervalMs: 100,
        timeoutMs: 2000,
      });
      clients.set(transport, own);
      return transport;
    },
    {
      timeoutMs: 10_000,
      runs: 5,
      restart: () => server.restart(),
      crash: (transport) => {
        for (const client of clients.get(transport) ?? []) client.disconnect();
      },
      freeze: async () => {
        await server.freeze();
        return () => server.thaw();
      },
      wipe: async () => {
        await server.cli('FLUSHALL');
      },
    },
  );

  test('all of that was refused nothing', async () => {
    expect(await refusalsOf(server)).toEqual([]);
  });

  test('a publisher and a consumer, each with the rights of its own role', async () => {
    const trail = new Trail();
    await using publisher = await startNode(as('publisher', { service: 'till' }));
    await using consumer = await startNode(as('consumer'));
    await consumer.kernel.subscribe(
      'cash.*',
      trail.handler('consumer', (n, { attempt }) => {
        if (n % 10 === 0 && attempt === 1) throw new Error('fails at first');
      }),
    );
    await trail.publishAll(publisher.kernel, 'cash.paid', 1, 100);
    await trail.whenComplete();
    expect(trail.check()).toMatchObject({ ok: true, published: 100 });
    expect(await consumer.kernel.health()).toEqual({ healthy: true, problems: [] });
    expect(await refusalsOf(server)).toEqual([]);
    await expectNoSecret(publisher);
    await expectNoSecret(consumer);
  });
});

describe('what is wrong is named, without a secret', () => {
  test.each([
    ['another authority', { ...TLS, ca: made.otherCa.cert }, /signed by nobody who is trusted here.*`redis\.tls\.ca`/],
    ['another host', { ...TLS, servername: 'redis.example' }, /certificate is for another host/],
  ])('the server has %s', async (_, tls, message) => {
    const reason = await failureOf(as('all', { redis: { tls } }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_TLS');
    expect(reason.message).toMatch(message);
  });

  test('a certificate of ours is wanted, and there is none', async () => {
    const reason = await failureOf(as('all', { redis: { tls: { ca: made.ca.cert } } }));
    // In TLS 1.3 the server says so after the handshake: the end of the connection may be faster than its reason.
    expect(reason.code).toMatch(/^EVENTS_REDIS_STREAMS_(TLS|CONNECTION)$/);
  });

  test('an expired certificate', async () => {
    await using old = await services.redis({ tls: { certificates: made, shows: 'expired' } });
    const reason = await failureOf(as('all', { url: `rediss://all:${CANARY}@${old.host}:${old.port}` }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_TLS');
    expect(reason.message).toMatch(/certificate has expired: renew it/);
  });

  test('a server that does not understand TLS and answers nothing', async () => {
    await using plain = await services.redis({ exclusive: true });
    const reason = await failureOf(as('all', { url: `rediss://all:${CANARY}@${plain.host}:${plain.port}` }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
  });

  test('a wrong password', async () => {
    const reason = await failureOf(as('all', { url: urlOf('all', `${CANARY}-2`) }));
    expect(reason.code).toBe('EVENTS_REDIS_STREAMS_AUTH');
  });

  test('a publisher without the right to publish, or to these keys', async () => {
    const line = aclRule('publisher', { prefix: PREFIX, user: 'lacks' }).replace('>password', `>${CANARY}`);
    const trail = new Trail();
    await server.cli(...line.replace(' +xadd', '').split(' '));
    {
      await using node = await startNode(as('lacks'));
      await trail.publish(node.kernel, 'order.placed', 1);
      await expectNoSecret(node, trail.rejections);
    }
    await server.cli(...line.split(' '));
    {
      await using node = await startNode(as('lacks', { prefix: 'elsewhere' }));
      await trail.publish(node.kernel, 'order.placed', 2);
      await expectNoSecret(node, trail.rejections);
    }
    expect(trail.rejections).toMatchObject(Array(2).fill({ code: 'EVENTS_REDIS_STREAMS_NO_PERMISSION' }));
    expect(String(trail.rejections[0])).toContain('It lacks +xadd.');
    expect(String(trail.rejections[1])).toContain('It lacks a key pattern: look at `prefix`.');
  });

  test('a consumer without the right to read', async () => {
    const line = aclRule('consumer', { prefix: PREFIX, user: 'lacks' }).replace('>password', `>${CANARY}`);
    await server.cli(...line.replace(' +xreadgroup', '').split(' '));
    await using node = await startNode(as('lacks'));
    await node.kernel.subscribe('order.*', () => {});
    await until(() => node.hears('error').length > 0, 'it is told');
    const reason = node.hears('error')[0]?.reason as Error;
    expect(reason).toMatchObject({ code: 'EVENTS_REDIS_STREAMS_NO_PERMISSION' });
    expect(reason.message).toContain('It lacks +xreadgroup.');
    await expectNoSecret(node);
  });
});
