import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  type NetworkProxy,
  type ProxyTarget,
  proxy,
  type RedisService,
  redis,
  replicationProxy,
} from '../src/services/index.ts';
import { redisCommand } from '../src/services/redis-command.ts';

type Maker<Proxy> = (target: ProxyTarget) => Promise<Proxy>;

const behind = async <Proxy extends NetworkProxy>(
  make: Maker<Proxy>,
  password?: string,
): Promise<{ server: RedisService; between: Proxy }> => {
  const server = await redis({
    sources: ['binary', 'package', 'container'],
    ...(password !== undefined && { password }),
  });
  const between = await make(server);
  onTestFinished(async () => {
    await between.stop();
    await server.stop();
  });
  return { server, between };
};

const client = async ({ host, port }: NetworkProxy): Promise<Socket & { events: string[] }> => {
  const socket = connect({ host, port, noDelay: true });
  const events: string[] = [];
  for (const name of ['end', 'error', 'close']) socket.on(name, () => events.push(name));
  socket.on('data', (chunk) => events.push(chunk.toString()));
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  return Object.assign(socket, { events });
};

const ping = ({ host, port }: { host: string; port: number }): Promise<unknown> =>
  redisCommand({ host, port }, ['PING'], 5_000);

describe.each<[string, Maker<NetworkProxy>]>([
  ['proxy', proxy],
  ['replicationProxy', replicationProxy],
])('%s', (_, make) => {
  const setUp = (password?: string) => behind(make, password);

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
});

test('a replica is known by its first commands, however they arrive, and held back while replication is cut', async () => {
  const { server, between } = await behind(replicationProxy, 'open');
  const replica = await client(between);
  const caller = await client(between);
  for (const socket of [replica, caller]) {
    socket.write('*1\r\n$4\r\nPING\r\n');
    await once(socket, 'data');
    socket.write('*2\r\n$4\r\nAUTH\r\n$4\r\nopen\r\n');
    await once(socket, 'data');
  }
  const listeningPort = '$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$2\r\n77\r\n';
  between.cutReplication();
  replica.write('*3\r\n');
  await server.cli('PING');
  replica.write(listeningPort);
  caller.write('*3\r\n$3\r\nSET\r\n$8\r\nREPLCONF\r\n$5\r\nPSYNC\r\n');
  expect(String(await once(caller, 'data'))).toBe('+OK\r\n');
  for (let index = 0; index < 50; index++) await server.cli('PING');
  expect(replica.events).toHaveLength(2);
  const answered = once(replica, 'data');
  between.healReplication();
  expect(String(await answered)).toBe('+OK\r\n');

  between.replicationDelay(50);
  const answers = [];
  replica.write(`*3\r\n${listeningPort}`.repeat(3));
  while (answers.join('').length < 15) answers.push(await once(replica, 'data'));
  expect(answers.join('')).toBe('+OK\r\n'.repeat(3));
});
