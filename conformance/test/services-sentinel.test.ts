import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  type RedisSentinelOptions,
  type RedisSentinelService,
  redisSentinel,
  spawnWorker,
} from '../src/services/index.ts';
import { disagreement } from '../src/services/sentinel-view.ts';
import { isAlive, needsRedis, remainsOf } from './services-fleet.ts';

beforeEach((context) => needsRedis(context));

/** With brisk sentinels, since waiting for them is all that most of these tests do. */
const start = async (options: RedisSentinelOptions = {}): Promise<RedisSentinelService> => {
  const service = await redisSentinel({ gossipMs: 200, ...options });
  onTestFinished(() => service.stop());
  return service;
};

const ckquorum = async ({ sentinels }: RedisSentinelService, index: number): Promise<string> =>
  String(await sentinels[index]?.cli('SENTINEL', 'CKQUORUM', 'mymaster').catch((error: Error) => error.message));

test('all servers run, know each other and agree', async () => {
  const setUp = await redisSentinel();
  onTestFinished(() => setUp.stop());
  const [first, ...others] = setUp.nodes;
  expect([setUp.name, setUp.nodes.length, setUp.sentinels.length]).toEqual(['mymaster', 3, 3]);
  expect(await setUp.master()).toBe(first);
  expect(await setUp.replicas()).toEqual(others);
  expect(await first?.cli('INFO', 'replication')).toContain('connected_slaves:2');
  for (const [index] of setUp.sentinels.entries())
    expect(await ckquorum(setUp, index)).toMatch(/^OK 3 usable Sentinels/);
});

test('a killed master is replaced, and comes back as a replica', async () => {
  const setUp = await start({ appendonly: true });
  const old = await setUp.master();
  await old.cli('SET', 'key', 'value');
  await setUp.ready();
  await old.kill();
  await expect(setUp.ready(100)).rejects.toMatchObject({ code: 'EVENTS_SERVICE_TIMEOUT' });
  await expect.poll(() => setUp.master(), { timeout: 20_000 }).not.toBe(old);
  const master = await setUp.master();
  expect(await master.cli('GET', 'key')).toBe('value');
  await old.start();
  await setUp.ready();
  expect(await setUp.replicas()).toContain(old);
  expect(await old.cli('ROLE')).toEqual(['slave', '127.0.0.1', master.port, 'connected', expect.any(Number)]);
});

test('a frozen master is replaced, and follows when it thaws', async () => {
  const setUp = await start();
  const old = await setUp.master();
  await old.freeze();
  await expect.poll(() => setUp.master(), { timeout: 20_000 }).not.toBe(old);
  await old.thaw();
  await setUp.ready();
  expect(await setUp.replicas()).toContain(old);
});

test('a replica that was killed is one again', async () => {
  const setUp = await start();
  const [replica] = await setUp.replicas();
  await replica?.kill();
  await replica?.start();
  await setUp.ready();
  expect(await setUp.replicas()).toContain(replica);
});

test('a failover that is asked for', async () => {
  const setUp = await start({ failoverTimeoutMs: 10_000 });
  const old = await setUp.master();
  const master = await setUp.failover();
  expect(master).not.toBe(old);
  await setUp.ready();
  expect(await setUp.master()).toBe(master);
});

test('sentinels ping within the time after which a server is down, and seldom enough to find a replica good', async () => {
  const pingPeriods = async ({ sentinels }: RedisSentinelService): Promise<number[]> =>
    Promise.all(
      sentinels.map(async ({ cli }) => {
        const pace = (await cli('SENTINEL', 'DEBUG')) as readonly string[];
        return Number(pace[pace.indexOf('PING-PERIOD') + 1]);
      }),
    );
  const brisk = await start({ replicas: 1, downAfterMs: 500 });
  await brisk.sentinels[0]?.restart();
  expect(await pingPeriods(brisk)).toEqual([300, 300, 300]);
  expect(await pingPeriods(await start({ replicas: 1, downAfterMs: 2000 }))).toEqual([500, 500, 500]);
  expect(await pingPeriods(await start({ replicas: 1, downAfterMs: 60_000 }))).toEqual([1000, 1000, 1000]);
  expect(await pingPeriods(await start({ replicas: 1, pingMs: 200 }))).toEqual([200, 200, 200]);
});

test('too few sentinels are no quorum, until they are back', async () => {
  const setUp = await start();
  const [, second, third] = setUp.sentinels;
  await Promise.all([second?.kill(), third?.freeze()]);
  await expect.poll(() => ckquorum(setUp, 0), { timeout: 20_000 }).toContain('NOQUORUM');
  await Promise.all([second?.start(), third?.thaw()]);
  await setUp.ready();
  expect(await ckquorum(setUp, 0)).toMatch(/^OK 3/);
});

test('whether all sentinels name the same master', async () => {
  const { nodes, sentinels, name } = await start();
  expect(await disagreement(sentinels)).toBeUndefined();
  const [first, second] = sentinels;
  await first?.kill();
  expect(await disagreement(sentinels)).toContain('2 of 3 sentinels answer');
  await first?.start();
  expect(await disagreement(sentinels)).toBeUndefined();
  await second?.cli('SENTINEL', 'REMOVE', name);
  await second?.cli('SENTINEL', 'MONITOR', name, '127.0.0.1', String(nodes[1]?.port), '2');
  expect(await disagreement(sentinels)).toContain(`${nodes[0]?.port},${nodes[1]?.port},${nodes[0]?.port}`);
});

test('everybody logs in as told', async () => {
  const setUp = await start({
    password: 'of "all"',
    users: ['watcher on >see ~* &* +@all', 'follower on >copy +psync +replconf +ping'],
    sentinelLogin: { username: 'watcher', password: 'see' },
    replicationLogin: { username: 'follower', password: 'copy' },
    sentinelPassword: 'of sentinels',
    sentinelUsers: ['client on >ask +@all'],
  });
  const master = await setUp.master();
  const clients = String(await master.cli('CLIENT', 'LIST'));
  for (const user of ['watcher', 'follower']) expect(clients).toContain(`user=${user}`);
  const [sentinel] = setUp.sentinels;
  const client = new Redis({ port: sentinel?.port as number, username: 'client', password: 'ask' });
  onTestFinished(() => client.disconnect());
  expect(await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')).toEqual(['127.0.0.1', `${master.port}`]);
  // With what the sentinels have written into their files since.
  await sentinel?.restart();
  await master.kill();
  await expect.poll(() => setUp.master(), { timeout: 20_000 }).not.toBe(master);
  await master.start();
  await setUp.ready();
});

test('a cut replication leaves clients and sentinels alone', async () => {
  const setUp = await start({ proxied: true });
  const master = await setUp.master();
  expect(master.port).toBe(master.network?.port);
  const client = new Redis(master.url);
  onTestFinished(() => client.disconnect());
  await client.set('key', 'before');
  expect(await client.wait(2, 5_000)).toBe(2);

  setUp.cutReplication();
  await client.set('key', 'cut');
  expect(await client.wait(1, 300)).toBe(0);
  const [replica] = await setUp.replicas();
  expect(await replica?.cli('GET', 'key')).toBe('before');
  // A link that begins now is cut as well.
  await replica?.restart();
  await expect(setUp.ready(1_500)).rejects.toMatchObject({ message: expect.stringContaining('replication is cut') });
  expect(await replica?.cli('GET', 'key')).toBe(null);
  expect(await client.get('key')).toBe('cut');
  expect(await setUp.master()).toBe(master);
  expect(await ckquorum(setUp, 0)).toMatch(/^OK 3/);

  setUp.healReplication();
  await setUp.ready();
  expect(await client.wait(2, 5_000)).toBe(2);
  expect(await replica?.cli('GET', 'key')).toBe('cut');
});

test('what was confirmed by nobody else is lost with its master', async () => {
  const setUp = await start({ proxied: true, appendonly: true });
  const master = await setUp.master();
  await master.cli('SET', 'kept', '1');
  await setUp.ready();
  setUp.cutReplication();
  await master.cli('SET', 'lost', '1');
  await master.kill();
  await expect.poll(() => setUp.master(), { timeout: 20_000 }).not.toBe(master);
  setUp.healReplication();
  await master.start();
  await setUp.ready();
  for (const { cli } of setUp.nodes) expect(await cli('MGET', 'kept', 'lost')).toEqual(['1', null]);
});

test('replication can be late', async () => {
  const setUp = await start({ proxied: true });
  const master = await setUp.master();
  const client = new Redis(master.url);
  onTestFinished(() => client.disconnect());
  await client.ping();
  setUp.replicationDelay(400);
  await client.set('key', 'value');
  expect(await client.wait(1, 200)).toBe(0);
  expect(await client.wait(2, 10_000)).toBe(2);
  setUp.replicationDelay(0);
  await setUp.ready();
});

test('nothing is left after stop, whatever state it was in', async () => {
  const setUp = await start({ proxied: true });
  const [first, second] = setUp.nodes;
  const remains = await Promise.all([...setUp.nodes, ...setUp.sentinels].map(remainsOf));
  expect(remains.map(({ pid, config }) => isAlive(pid) && existsSync(config))).toEqual(Array(6).fill(true));
  await Promise.all([first?.freeze(), second?.kill()]);
  await setUp.stop();
  await setUp[Symbol.asyncDispose]();
  expect(remains.filter(({ pid, config }) => isAlive(pid) || existsSync(config))).toEqual([]);
});

test('nothing is left of a parent that died', async () => {
  const parent = spawnWorker(new URL('./services-fleet-worker.ts', import.meta.url));
  onTestFinished(() => parent.stop());
  const remains = await parent.next<{ pid: number; config: string }[]>();
  expect(remains.filter(({ pid, config }) => isAlive(pid) && existsSync(config))).toHaveLength(12);
  parent.kill('SIGKILL');
  await parent.exit;
  await vi.waitFor(() => expect(remains.filter(({ pid, config }) => isAlive(pid) || existsSync(config))).toEqual([]), {
    timeout: 10_000,
  });
});

test('what cannot be had is refused with what to do', async () => {
  await expect(redisSentinel({ proxied: true, tls: true })).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_UNSUPPORTED',
  });
  await expect(redisSentinel({ args: ['--no-such-option', '1'] })).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_FAILED',
    message: expect.stringContaining('Bad directive'),
  });
  const setUp = await start({ replicas: 0, sentinels: 1, quorum: 1 });
  for (const fault of ['cutReplication', 'healReplication'] as const)
    expect(() => setUp[fault]()).toThrow(expect.objectContaining({ code: 'EVENTS_SERVICE_UNSUPPORTED' }));
  vi.stubEnv('PATH', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(redisSentinel()).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_UNAVAILABLE',
    message: expect.stringMatching(/binary: there is no redis-server.*package: .*Install redis-server/),
  });
});
