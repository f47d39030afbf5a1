import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  type Certificates,
  certificates,
  type RedisOptions,
  type RedisService,
  redis,
  redisCluster,
  redisSentinel,
} from '../src/services/index.ts';
import { redisCommand } from '../src/services/redis-command.ts';
import { needsRedis } from './services-fleet.ts';

beforeEach((context) => needsRedis(context));

const made = (): Certificates => {
  const set = certificates();
  onTestFinished(() => set.stop());
  return set;
};

const own = async (options: RedisOptions): Promise<RedisService> => {
  const service = await redis({ sources: ['binary', 'package'], ...options });
  onTestFinished(() => service.stop());
  return service;
};

/** What becomes of a PING with this for TLS: an answer, or why there is none. */
const ping = async (
  { host, port }: RedisService,
  tls: { ca?: string; cert?: string; key?: string },
): Promise<unknown> =>
  redisCommand({ host, port, tls: { ca: '', cert: '', key: '', ...tls } }, ['PING'], 5_000).catch(
    (error: Error) => (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.message,
  );

test('certificates are what they are called, made anew and removed', async () => {
  const { ca, otherCa, server, expired, client, stop } = made();
  const authority = new X509Certificate(ca.cert);
  const signedBy = (signer: X509Certificate, cert: string): boolean => {
    const leaf = new X509Certificate(cert);
    return leaf.checkIssued(signer) && leaf.verify(signer.publicKey);
  };
  expect([authority.ca, signedBy(authority, ca.cert)]).toEqual([true, true]);
  for (const { cert, key, certFile, keyFile } of [server, expired, client]) {
    expect(signedBy(authority, cert)).toBe(true);
    expect(signedBy(new X509Certificate(otherCa.cert), cert)).toBe(false);
    expect([readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]).toEqual([cert, key]);
  }
  const shown = new X509Certificate(server.cert);
  expect([shown.checkIP('127.0.0.1'), shown.checkHost('localhost'), shown.ca]).toEqual([
    '127.0.0.1',
    'localhost',
    false,
  ]);
  expect(Date.parse(shown.validTo)).toBeGreaterThan(Date.now());
  expect(Date.parse(new X509Certificate(expired.cert).validTo)).toBeLessThan(Date.now());
  expect(made().server.key).not.toBe(server.key);
  await stop();
  expect(existsSync(dirname(ca.certFile))).toBe(false);
});

test('a server with TLS takes those who trust its authority, and nothing without TLS', async () => {
  const set = made();
  const server = await own({ tls: { certificates: set }, password: 'open' });
  expect(server.url).toBe(`rediss://:open@127.0.0.1:${server.port}`);
  expect(server.tls).toEqual({ ca: set.ca.cert, cert: set.client.cert, key: set.client.key });
  expect(await server.cli('PING')).toBe('PONG');
  await server.restart();
  expect(await server.cli('PING')).toBe('PONG');
  expect(await ping(server, { ca: set.ca.cert })).toContain('NOAUTH');
  expect(await ping(server, { ca: set.otherCa.cert })).toBe('SELF_SIGNED_CERT_IN_CHAIN');
  await expect(redisCommand({ host: server.host, port: server.port }, ['PING'], 5_000)).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_UNAVAILABLE',
  });
});

test('an expired certificate is refused by who looks at it', async () => {
  const set = made();
  const server = await own({ tls: { certificates: set, shows: 'expired' } });
  expect(await server.cli('PING')).toBe('PONG');
  expect(await ping(server, { ca: set.ca.cert })).toBe('CERT_HAS_EXPIRED');
});

test('clients have to show a certificate where that is asked for', async () => {
  const server = await own({ tls: { authClients: true } });
  const { ca, cert, key } = server.tls as { ca: string; cert: string; key: string };
  expect(await ping(server, { ca, cert, key })).toBe('PONG');
  expect(await ping(server, { ca })).not.toBe('PONG');
});

test('certificates that were made for a server go with it', async () => {
  const server = await own({ tls: true });
  const [, file] = (await server.cli('CONFIG', 'GET', 'tls-key-file')) as [string, string];
  expect(existsSync(file)).toBe(true);
  await server.stop();
  expect(existsSync(file)).toBe(false);
});

test('users log in and may do what they may', async () => {
  const { cli, host, port } = await own({ users: ['reader on >look ~news:* resetchannels -@all +get +ping'] });
  const asReader = (...args: string[]): Promise<unknown> =>
    redisCommand({ host, port, username: 'reader', password: 'look' }, args, 5_000);
  await cli('SET', 'news:1', 'old');
  expect(await asReader('GET', 'news:1')).toBe('old');
  for (const refused of [
    ['GET', 'other'],
    ['SET', 'news:1', 'new'],
  ])
    await expect(asReader(...refused)).rejects.toMatchObject({ message: expect.stringContaining('NOPERM') });
});

test('sentinels and their servers speak TLS with each other', async () => {
  const setUp = await redisSentinel({ tls: { authClients: true }, gossipMs: 200 });
  onTestFinished(() => setUp.stop());
  const [first, second] = setUp.nodes;
  for (const { port, url } of [...setUp.nodes, ...setUp.sentinels]) {
    expect(url).toBe(`rediss://127.0.0.1:${port}`);
    await expect(redisCommand({ host: '127.0.0.1', port }, ['PING'], 5_000)).rejects.toThrow();
  }
  await first?.cli('SET', 'key', 'value');
  await setUp.ready();
  expect(await second?.cli('GET', 'key')).toBe('value');
  await first?.kill();
  await expect.poll(() => setUp.master(), { timeout: 20_000 }).not.toBe(first);
});

test('the nodes of a cluster speak TLS with each other, also when a slot moves', async () => {
  const cluster = await redisCluster({ tls: { authClients: true }, password: 'open' });
  onTestFinished(() => cluster.stop());
  const slot = cluster.slotOf('key');
  const from = await cluster.slotOwner(slot);
  const to = (await cluster.masters()).find((master) => master !== from);
  if (to === undefined) throw new Error('there is one master');
  await from.cli('SET', 'key', 'value');
  await cluster.moveSlot(slot, to);
  expect(await to.cli('GET', 'key')).toBe('value');
  await cluster.ready();
  await expect(redisCommand({ host: '127.0.0.1', port: to.port }, ['PING'], 5_000)).rejects.toThrow();
});
