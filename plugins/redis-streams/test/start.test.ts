import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { proxy, redis } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { describe, expect, test } from 'vitest';
import { createNode, type Node, type NodeOptions, SHORT } from './node.ts';
import { State } from './state.ts';

const { timeoutMs } = SHORT;
/** How late a loaded machine may be: the bound of a failure, nothing that is measured. */
const MARGIN_MS = 5000;
const CANARY = 'canary-5ecret';

const everything = (value: unknown): string =>
  inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null });

/** Starts a node that cannot start. Returns why, after the secret was looked for in all that it said. */
const failure = async (options: NodeOptions, prepare?: (node: Node) => unknown): Promise<Error & { code: string }> => {
  const node = createNode(options);
  await prepare?.(node);
  const began = Date.now();
  const reason: unknown = await node.kernel.start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(Date.now() - began).toBeLessThan(timeoutMs + MARGIN_MS);
  expect(isEventsError(reason)).toBe(true);
  const said = [reason, node.logged, ...(['connected', 'disconnected', 'error', 'stopped'] as const).map(node.hears)];
  expect(everything(said)).not.toContain(CANARY);
  expect(String((reason as Error).stack)).not.toContain(CANARY);
  return reason as Error & { code: string };
};

/** A server that is no Redis, or not the one that is wanted: it answers every command by its name. */
const impostor = async (
  answer: (command: string) => string,
): Promise<Server & AsyncDisposable & { readonly url: string }> => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const [, command = ''] of String(data).matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) socket.write(answer(command));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return Object.assign(server, {
    url: `redis://:${CANARY}@127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  });
};

describe.concurrent('a start that fails says why, by its deadline and without a secret', () => {
  test.each([
    ['in the URL', (host: string) => ({ url: `redis://:${CANARY}@${host}` })],
    ['with a user in the URL', (host: string) => ({ url: `redis://${CANARY}:${CANARY}@${host}` })],
    ['in the options', (host: string) => ({ url: `redis://${host}`, redis: { password: CANARY } })],
  ])('a wrong password %s', async (_, options) => {
    await using server = await redis({ exclusive: true, password: 'right' });
    const { code, message } = await failure(options(`${server.host}:${server.port}`));
    expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
    expect(message).toContain('does not accept this user and password');
    expect(await new State(server).connections()).toEqual([]);
  });

  test('no password where one is needed', async () => {
    await using server = await redis({ exclusive: true, password: CANARY });
    const { code, message } = await failure({ url: `redis://${server.host}:${server.port}` });
    expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
    expect(message).toContain('password');
  });

  test('nobody listens', async () => {
    await using gone = await redis({ exclusive: true, password: CANARY });
    await gone.stop();
    const { code, message } = await failure({ url: gone.url });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
    expect(message).toContain('ECONNREFUSED');
  });

  test('a name that does not resolve', async () => {
    const { code } = await failure({ url: `redis://:${CANARY}@no-such-host.invalid:6379` });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
  });

  test('the connection is taken and nothing answers', async () => {
    await using server = await redis({ exclusive: true, password: CANARY });
    await using network = await proxy(server);
    network.stall();
    const { code } = await failure({ url: network.url });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
  });

  test('what answers is no Redis', async () => {
    await using other = await impostor(() => 'HTTP/1.1 400 Bad Request\r\n\r\n');
    const { code } = await failure({ url: other.url });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
  });

  test('a Redis that is too old', async () => {
    const info = '# Server\r\nredis_version:5.0.14\r\n';
    await using old = await impostor((command) =>
      command.toUpperCase() === 'INFO' ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n',
    );
    const { code, message } = await failure({ url: old.url });
    expect(code).toBe('EVENTS_REDIS_STREAMS_VERSION');
    expect(message).toContain('5.0.14');
  });

  test('a key of another type where a stream is wanted', async () => {
    await using server = await redis({ exclusive: true });
    const stream = new State(server).keys.stream('order-events', 0);
    await server.cli('SET', stream, CANARY);
    const { code } = await failure({ url: server.url }, ({ kernel }) => kernel.subscribe('order.*', () => {}));
    expect(code).toBe('EVENTS_REDIS_STREAMS_WRONG_TYPE');
    expect(await new State(server).connections()).toEqual([]);
  });

  test('a user who may not do what is needed', async () => {
    await using server = await redis({ exclusive: true });
    await server.cli('ACL', 'SETUSER', 'guest', 'on', `>${CANARY}`, '~*', '+@connection', '+info');
    const url = `redis://guest:${CANARY}@${server.host}:${server.port}`;
    const { code } = await failure({ url }, ({ kernel }) => kernel.subscribe('order.*', () => {}));
    expect(code).toBe('EVENTS_REDIS_STREAMS_NO_PERMISSION');
  });
});

describe.concurrent('no secret comes out later either', () => {
  test('when publishing fails and the connection breaks', async () => {
    await using server = await redis({ exclusive: true, password: CANARY });
    const stream = new State(server).keys.stream('order-events', 0);
    await using node = createNode({ url: server.url });
    await node.kernel.start();
    await server.cli('SET', stream, 'no stream');
    const reasons: unknown[] = [];
    const publish = (): Promise<unknown> =>
      node.kernel.publish('order.placed', { secret: CANARY }).catch((reason) => reasons.push(reason));
    await publish();
    await server.kill();
    await publish();
    expect(reasons).toMatchObject([
      { code: 'EVENTS_REDIS_STREAMS_WRONG_TYPE' },
      { code: 'EVENTS_REDIS_STREAMS_TIMEOUT' },
    ]);
    const said = [reasons, node.logged, ...(['disconnected', 'error'] as const).map(node.hears)];
    expect(everything(said)).not.toContain(CANARY);
    // The event that failed is given to listeners, the reason beside it does not repeat it.
    expect(everything(node.hears('publishFailed').map(({ reason }) => reason))).not.toContain(CANARY);
  });
});
