import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type NetworkProxy, proxy, type RedisService, redis } from '../src/services/index.ts';
import { redisCommand } from '../src/services/redis-command.ts';

const setUp = async (password?: string): Promise<{ server: RedisService; between: NetworkProxy }> => {
  const server = await redis({
    sources: ['binary', 'package', 'container'],
    ...(password !== undefined && { password }),
  });
  const between = await proxy(server);
  onTestFinished(async () => {
    await between.stop();
    await server.stop();
  });
  return { server, between };
};

const client = async ({ host, port }: NetworkProxy): Promise<Socket & { events: string[] }> => {
  const socket = connect({ host, port });
  const events: string[] = [];
  for (const name of ['end', 'error', 'close']) socket.on(name, () => events.push(name));
  socket.on('data', (chunk) => events.push(chunk.toString()));
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  return Object.assign(socket, { events });
};

const ping = ({ host, port }: { host: string; port: number }): Promise<unknown> =>
  redisCommand({ host, port }, ['PING'], 5_000);

test('a proxy passes bytes on, many as well as few', async () => {
  const { server, between } = await setUp();
  const value = 'x'.repeat(5_000_000);
  expect(await redisCommand(between, ['SET', 'key', value], 5_000)).toBe('OK');
  expect(await redisCommand(between, ['GET', 'key'], 5_000)).toBe(value);
  expect(await server.cli('STRLEN', 'key')).toBe(value.length);
});

test('the URL of a proxy is that of its target with its own address', async () => {
  const { between } = await setUp('open');
  expect(between.url).toBe(`redis://:open@127.0.0.1:${between.port}`);
});

test('cut closes the connections of the moment, on both sides', async () => {
  const { server, between } = await setUp();
  const socket = await client(between);
  socket.write('CLIENT SETNAME cut-me\r\n');
  await once(socket, 'data');
  expect(await server.cli('CLIENT', 'LIST')).toContain('cut-me');
  between.cut();
  await once(socket, 'close');
  await expect.poll(() => server.cli('CLIENT', 'LIST')).not.toContain('cut-me');
  expect(await ping(between)).toBe('PONG');
});

test('refuse turns new connections away and keeps the old ones, accept takes new ones again', async () => {
  const { between } = await setUp();
  const socket = await client(between);
  await between.refuse();
  await expect(ping(between)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  socket.write('PING\r\n');
  expect(String(await once(socket, 'data'))).toBe('+PONG\r\n');
  await between.accept();
  await between.accept();
  expect(await ping(between)).toBe('PONG');
});

test('stall holds back every byte, on old and new connections, until resume', async () => {
  const { server, between } = await setUp();
  const old = await client(between);
  old.write('PING\r\n');
  await once(old, 'data');
  between.stall();
  const fresh = await client(between);
  old.write('SET old 1\r\n');
  fresh.write('SET fresh 1\r\n');
  for (let index = 0; index < 50; index++) expect(await server.cli('EXISTS', 'old', 'fresh')).toBe(0);
  expect([old.events, fresh.events]).toEqual([['+PONG\r\n'], []]);
  const answers = Promise.all([once(old, 'data'), once(fresh, 'data')]);
  between.resume();
  between.resume();
  expect(String(await answers)).toBe('+OK\r\n,+OK\r\n');
  expect(await server.cli('EXISTS', 'old', 'fresh')).toBe(2);
});

test('no end comes through a stalled proxy: the server dies and the client does not learn it', async () => {
  const { server, between } = await setUp();
  const socket = await client(between);
  socket.write('PING\r\n');
  await once(socket, 'data');
  between.stall();
  await server.kill();
  const fresh = await client(between);
  await server.start();
  for (let index = 0; index < 50; index++) await server.cli('PING');
  expect([socket.events, fresh.events]).toEqual([['+PONG\r\n'], []]);
  const closed = Promise.all([once(socket, 'close'), once(fresh, 'close')]);
  between.resume();
  await closed;
});

test('a target that is down closes the connection', async () => {
  const { server, between } = await setUp();
  await server.kill();
  await expect(ping(between)).rejects.toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
  await server.start();
  expect(await ping(between)).toBe('PONG');
});

test('stop closes everything, also while stalled, and may be repeated', async () => {
  const { between } = await setUp();
  const socket = await client(between);
  between.stall();
  await between.stop();
  await between[Symbol.asyncDispose]();
  await once(socket, 'close');
  await expect(ping(between)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
});
