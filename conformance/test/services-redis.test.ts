import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, type TestContext, test, vi } from 'vitest';
import { dockerUnavailable } from '../src/services/docker-engine.ts';
import { findExecutable } from '../src/services/executable.ts';
import { type RedisOptions, type RedisService, redis, sharedRedis } from '../src/services/index.ts';
import { installRedisPackage } from '../src/services/redis-package.ts';

const start = async (options: RedisOptions): Promise<RedisService> => {
  const service = await redis(options);
  onTestFinished(() => service.stop());
  return service;
};
const own = (options: RedisOptions = {}): Promise<RedisService> =>
  start({ sources: ['binary', 'package', 'container'], ...options });

/** For what only a process of this machine shows. A machine that can have none says so in the report. */
const needsBinary = async (context: TestContext): Promise<void> => {
  if (findExecutable('redis-server') !== undefined) return;
  const unavailable = await installRedisPackage();
  if (unavailable !== undefined) context.skip(unavailable);
};

const pidOf = async ({ cli }: RedisService): Promise<number> =>
  Number(/process_id:(\d+)/.exec(String(await cli('INFO', 'server')))?.[1]);

afterEach(() => {
  vi.unstubAllEnvs();
});

test('a server from the binary is the caller’s own and takes options', async (context) => {
  await needsBinary(context);
  const password = 's3cret/@:';
  const [first, second] = await Promise.all([own({ password, args: ['--maxmemory', '8mb'] }), own()]);
  expect(first).toMatchObject({ source: 'binary', host: '127.0.0.1', can: { restart: true, freeze: true } });
  expect(first.url).toBe(`redis://:s3cret%2F%40%3A@127.0.0.1:${first.port}`);
  expect(await first.cli('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', String(8 * 1024 * 1024)]);
  expect(await first.cli('SET', 'key', 'ü')).toBe('OK');
  expect(await first.cli('GET', 'key')).toBe('ü');
  expect(await second.cli('GET', 'key')).toBe(null);
});

test('a command that Redis refuses is an error with its words', async () => {
  const { cli } = await own();
  await expect(cli('GET')).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_REPLY',
    message: expect.stringContaining("wrong number of arguments for 'get' command"),
  });
});

test('a server that does not come up says why', async (context) => {
  await needsBinary(context);
  await expect(redis({ sources: ['binary'], args: ['--no-such-option', '1'] })).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_FAILED',
    message: expect.stringContaining('Bad directive'),
  });
});

test('the address in the environment comes first, and its server is left alone', async () => {
  const there = await own({ password: 'open' });
  await there.cli('SET', 'key', 'value');
  vi.stubEnv('REDIS_URL', there.url);

  const service = await start({});
  expect(service).toMatchObject({ source: 'environment', url: there.url, can: { restart: false, freeze: false } });
  expect(await service.cli('GET', 'key')).toBe('value');
  for (const fault of ['restart', 'kill', 'start', 'freeze', 'thaw'] as const) {
    await expect(service[fault]()).rejects.toMatchObject({ code: 'EVENTS_SERVICE_UNSUPPORTED' });
  }
  await service.stop();
  expect(await there.cli('PING')).toBe('PONG');
});

test('the database of the address in the environment is used', async () => {
  const there = await own();
  vi.stubEnv('REDIS_URL', `${there.url}/3`);
  const service = await start({});
  await service.cli('SET', 'key', 'value');
  expect(await there.cli('INFO', 'keyspace')).toContain('db3:keys=1');
});

test('an address in the environment that does not answer is an error, without its password', async () => {
  const gone = await own({ password: 'hidden' });
  await gone.stop();
  vi.stubEnv('REDIS_URL', gone.url);
  const failure = await redis().catch((error: Error) => error);
  expect(failure).toMatchObject({
    code: 'EVENTS_SERVICE_UNAVAILABLE',
    message: expect.stringContaining(String(gone.port)),
  });
  expect(JSON.stringify(failure, Object.getOwnPropertyNames(failure))).not.toContain('hidden');

  vi.stubEnv('REDIS_URL', 'http://localhost');
  await expect(redis()).rejects.toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
});

test('who wants a server of his own, or one with options, does not get that of the environment', async () => {
  const there = await own();
  vi.stubEnv('REDIS_URL', there.url);
  for (const options of [{ exclusive: true }, { appendonly: true }]) {
    const service = await start(options);
    expect(service.source).not.toBe('environment');
    expect(service.can).toEqual({ restart: true, freeze: true });
  }
  vi.stubEnv('PATH', '');
  vi.stubEnv('DOCKER_HOST', 'unix:///nowhere/docker.sock');
  expect(await start({ exclusive: true })).toMatchObject({ source: 'environment', can: { restart: false } });
});

test('without any source the error names all that was tried', async () => {
  vi.stubEnv('REDIS_URL', '');
  vi.stubEnv('PATH', '');
  vi.stubEnv('DOCKER_HOST', 'unix:///nowhere/docker.sock');
  const failure = await redis().catch((error: Error) => error);
  expect(failure).toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
  for (const words of ['REDIS_URL is not set', '/nowhere/docker.sock', 'no redis-server on the PATH', 'Debian']) {
    expect((failure as Error).message).toContain(words);
  }
});

test('a server with an append-only file keeps its data over restart and kill', async () => {
  const { cli, kill, restart, start: startAgain } = await own({ appendonly: true, appendfsync: 'always' });
  await cli('SET', 'a', '1');
  await restart();
  await cli('SET', 'b', '2');
  await kill();
  await expect(cli('PING')).rejects.toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
  await startAgain();
  expect(await cli('MGET', 'a', 'b')).toEqual(['1', '2']);
});

test('a server without an append-only file forgets', async () => {
  const { cli, restart } = await own();
  await cli('SET', 'a', '1');
  await restart();
  expect(await cli('GET', 'a')).toBe(null);
});

test('a frozen server answers nothing until it is thawed', async () => {
  const [frozen, other] = await Promise.all([own(), own()]);
  await frozen.freeze();
  let answered = false;
  const ping = frozen.cli('PING').finally(() => {
    answered = true;
  });
  for (let index = 0; index < 50; index++) await other.cli('PING');
  expect(answered).toBe(false);
  await frozen.thaw();
  expect(await ping).toBe('PONG');
});

test.for(['running', 'frozen', 'killed'] as const)(
  'stop removes a %s server and its directory',
  async (state, context) => {
    await needsBinary(context);
    const service = await own();
    const pid = await pidOf(service);
    const [, directory] = (await service.cli('CONFIG', 'GET', 'dir')) as [string, string];
    expect(existsSync(join(directory, 'server.log'))).toBe(true);
    if (state === 'frozen') await service.freeze();
    if (state === 'killed') await service.kill();
    await Promise.all([service.stop(), service.stop()]);
    await service[Symbol.asyncDispose]();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(existsSync(directory)).toBe(false);
    await expect(service.start()).rejects.toMatchObject({ code: 'EVENTS_SERVICE_FAILED' });
  },
);

test('the CPU time of a server grows with its work', async () => {
  const { cli, cpu } = await own();
  const before = await cpu();
  await cli('EVAL', 'for i = 1, 2e6 do math.sqrt(i) end', '0');
  expect(await cpu()).toBeGreaterThan(before);
});

test('all who share a server get the same one, also from a module that is loaded anew', async () => {
  vi.stubEnv('REDIS_URL', '');
  const first = sharedRedis();
  vi.resetModules();
  const fresh = await import('../src/services/index.ts');
  expect(fresh.sharedRedis).not.toBe(sharedRedis);
  expect(await fresh.sharedRedis()).toBe(await first);
  expect(await (await first).cli('PING')).toBe('PONG');
});

test('a server in a container can all that one from the binary can', { timeout: 180_000 }, async (context) => {
  const unavailable = await dockerUnavailable();
  if (unavailable !== undefined) return context.skip(unavailable);
  const service = await start({ sources: ['container'], appendonly: true, appendfsync: 'always', password: 'open' });
  expect(service).toMatchObject({ source: 'container', can: { restart: true, freeze: true } });
  await service.cli('SET', 'a', '1');
  await service.restart();
  await service.kill();
  await service.start();
  expect(await service.cli('GET', 'a')).toBe('1');
  await service.freeze();
  const ping = service.cli('PING');
  await service.thaw();
  expect(await ping).toBe('PONG');
  expect(await service.cpu()).toBeGreaterThan(0);
  await service.freeze();
  await service.stop();
  await expect(service.cli('PING')).rejects.toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
});
