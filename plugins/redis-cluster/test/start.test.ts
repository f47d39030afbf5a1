import { createServer, type Server } from 'node:net';
import { inspect } from 'node:util';
import { proxy, type RedisClusterService, redis, redisCluster } from '@logistically/events-conformance/services';
import { isEventsError } from '@logistically/events-kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNode, type NodeOptions, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';

/** Also how long a start that cannot succeed takes. */
const commandTimeout = 1000;
/** How late a loaded machine may be: the bound of a failure, nothing that is measured. */
const MARGIN_MS = 5000;
const CANARY = 'canary-5ecret';
const PASSWORD = 'right';

let cluster: RedisClusterService;
beforeAll(async () => {
  cluster = await redisCluster({ password: PASSWORD });
});
afterAll(() => cluster.stop());

const everything = (value: unknown): string =>
  inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null });

/** Starts a node that cannot start. Returns why, after the secret was looked for in all that it said. */
const failure = async (options: NodeOptions): Promise<Error & { code: string }> => {
  const node = createNode({ commandTimeout, ...options });
  const began = Date.now();
  const reason: unknown = await node.kernel.start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isEventsError(reason)).toBe(true);
  expect(Date.now() - began).toBeLessThan(commandTimeout + MARGIN_MS);
  const said = [reason, node.logged, ...(['connected', 'disconnected', 'error', 'stopped'] as const).map(node.hears)];
  expect(everything(said)).not.toContain(CANARY);
  expect(String((reason as Error).stack)).not.toContain(CANARY);
  return reason as Error & { code: string };
};

const nobodyIsLeft = async (): Promise<void> => {
  const state = new State(cluster);
  for (const node of cluster.nodes) expect(await state.connections(node)).toEqual([]);
};

/** Whether events go through. */
const works = async (options: Partial<NodeOptions>): Promise<void> => {
  const trail = new Trail();
  await using node = await startNode({
    clusterNodes: cluster.nodes,
    redis: { password: PASSWORD },
    partitions: 6,
    prefix: `start-${cluster.nodes.length}-${Math.random().toString(36).slice(2)}`,
    ...options,
  });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 30, 6);
  await trail.whenComplete();
  expect(trail.check()).toMatchObject({ ok: true, published: 30, duplicated: { count: 0 } });
  expect(await node.problems()).toEqual([]);
};

type Answer = (command: string, argument: string, port: number) => string;

/** A server that is no Redis of ours: it answers by the name of the command and its first argument. */
const impostor = async (answer: Answer): Promise<Server & AsyncDisposable & { readonly port: number }> => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const [, name = '', argument = ''] of String(data).matchAll(
        /\*\d+\r\n\$\d+\r\n(\w+)(?:\r\n\$\d+\r\n(\w+))?/g,
      ))
        socket.write(answer(name.toUpperCase(), argument.toUpperCase(), port));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return Object.assign(server, {
    port,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  });
};

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

describe('a start that fails says why, by its deadline and without a secret', () => {
  test.each([
    ['password', { password: CANARY }],
    ['user', { username: CANARY, password: CANARY }],
  ])('a wrong %s', async (_, redis) => {
    const { code, message } = await failure({ clusterNodes: cluster.nodes, redis });
    expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
    expect(message).toContain('does not accept this user and password');
    await nobodyIsLeft();
  });

  test('credentials that are wrong', async () => {
    const credentials = () => ({ username: 'default', password: CANARY });
    const { code } = await failure({ clusterNodes: cluster.nodes, credentials });
    expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
    await nobodyIsLeft();
  });

  test('credentials that cannot be got', async () => {
    const credentials = () => Promise.reject(new Error(`The vault says: ${CANARY}`));
    const { code } = await failure({ clusterNodes: cluster.nodes, credentials });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CREDENTIALS');
  });

  test('no password where one is needed', async () => {
    const { code } = await failure({ clusterNodes: cluster.nodes });
    expect(code).toBe('EVENTS_REDIS_STREAMS_AUTH');
  });

  test('no cluster', async () => {
    await using server = await redis({ exclusive: true });
    const { code, message } = await failure({ clusterNodes: [server] });
    expect(code).toBe('EVENTS_REDIS_CLUSTER_DISABLED');
    expect(message).toContain('redisStreams');
  });

  test('no cluster, and the other node has no slots: it is named by the deadline, and the process lives', async () => {
    await using server = await redis({ exclusive: true });
    await using empty = await redis({ exclusive: true, args: ['--cluster-enabled', 'yes'] });
    const { code } = await failure({ clusterNodes: [empty, server] });
    expect(code).toMatch(/^EVENTS_REDIS_CLUSTER_(DISABLED|NOT_FORMED)$/);
  });

  test('a cluster that was not formed', async () => {
    await using server = await redis({ exclusive: true, args: ['--cluster-enabled', 'yes'] });
    const { code, message } = await failure({ clusterNodes: [server] });
    expect(code).toBe('EVENTS_REDIS_CLUSTER_NOT_FORMED');
    expect(message).toContain('redis-cli --cluster create');
  });

  test('nobody listens', async () => {
    await using gone = await redis({ exclusive: true });
    await gone.stop();
    const { code, message } = await failure({ clusterNodes: [gone], redis: { password: CANARY } });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
    expect(message).toContain('ECONNREFUSED');
  });

  test('the connection is taken and nothing answers', async () => {
    await using network = await proxy(cluster.nodes[0] as { host: string; port: number });
    network.stall();
    const { code } = await failure({ clusterNodes: [network], redis: { password: CANARY } });
    expect(code).toBe('EVENTS_REDIS_STREAMS_CONNECTION');
  });

  test('a Redis that is too old', async () => {
    await using old = await impostor((command, argument, port) => {
      if (command === 'INFO') return bulk('# Server\r\nredis_version:5.0.14\r\n');
      if (command !== 'CLUSTER') return '+OK\r\n';
      if (argument === 'INFO')
        return bulk('cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:1\r\n');
      return `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${bulk('127.0.0.1')}:${port}\r\n`;
    });
    const { code, message } = await failure({ clusterNodes: [{ host: '127.0.0.1', port: old.port }] });
    expect(code).toBe('EVENTS_REDIS_STREAMS_VERSION');
    expect(message).toContain('5.0.14');
  });
});

describe('one living seed is enough', () => {
  test('others are dead, or do not answer', async () => {
    await using gone = await redis({ exclusive: true });
    await gone.stop();
    const [living] = cluster.nodes;
    await using stalled = await proxy(living as { host: string; port: number });
    stalled.stall();
    await works({ clusterNodes: [gone, stalled, living as { host: string; port: number }] });
  });

  test('it is a replica', () => works({ clusterNodes: cluster.nodes.slice(-1) }));

  test('it has another name than the others call it by', () =>
    works({ clusterNodes: [{ host: 'localhost', port: cluster.nodes[1]?.port ?? 0 }] }));
});

describe('addresses that mean nothing here', () => {
  const tell = async (kind: 'ip' | 'hostname' | 'unknown-endpoint', hostname = ''): Promise<void> => {
    for (const [index, node] of cluster.nodes.entries()) {
      await node.cli('CONFIG', 'SET', 'cluster-preferred-endpoint-type', kind);
      await node.cli('CONFIG', 'SET', 'cluster-announce-hostname', hostname && `n${index}.${hostname}`);
    }
    const heard = async (): Promise<boolean> => {
      const told = await Promise.all(cluster.nodes.map((node) => node.cli('CLUSTER', 'NODES')));
      return told.every((text) => String(text).split(hostname || '\0').length - 1 === (hostname ? 6 : 0));
    };
    const deadline = Date.now() + 10_000;
    while (!(await heard()))
      if (Date.now() > deadline) throw new Error('The nodes do not tell one another their names.');
  };
  afterAll(() => tell('ip'));

  test('are named where they cannot be reached, with the way out', async () => {
    await tell('hostname', 'nowhere.invalid');
    const { code, message } = await failure({ clusterNodes: cluster.nodes, redis: { password: PASSWORD } });
    expect(code).toBe('EVENTS_REDIS_CLUSTER_NODE_UNREACHABLE');
    expect(message).toContain('natMap');
    expect(message).toMatch(/n\d\.nowhere\.invalid:\d+/);
    await nobodyIsLeft();
  });

  test('are mapped by natMap, a table or a function; redirections too', async () => {
    await tell('hostname', 'nowhere.invalid');
    const table = Object.fromEntries(
      cluster.nodes.map(({ host, port }, index) => [`n${index}.nowhere.invalid:${port}`, { host, port }]),
    );
    await works({ natMap: table });
    const asked: string[] = [];
    await using node = await startNode({
      clusterNodes: cluster.nodes,
      redis: { password: PASSWORD },
      prefix: 'mapped',
      natMap: (address) => {
        asked.push(address);
        return table[address];
      },
    });
    const state = new State(cluster, 'mapped');
    const trail = new Trail();
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    const from = await state.owner('order-events');
    const to = (await cluster.masters()).find(({ id }) => id !== from.id) ?? from;
    await trail.publishAll(node.kernel, 'order.placed', 1, 5);
    await cluster.openSlot(state.slot('order-events'), to);
    await cluster.migrateKeys(state.slot('order-events'));
    await trail.publishAll(node.kernel, 'order.placed', 6, 10);
    await cluster.closeSlot(state.slot('order-events'), to);
    await trail.publishAll(node.kernel, 'order.placed', 11, 15);
    await trail.whenComplete();
    expect(trail.rejections).toEqual([]);
    expect(asked.every((address) => address in table)).toBe(true);
  });

  test('are where they were asked, when none is told', async () => {
    await tell('unknown-endpoint');
    await works({ clusterNodes: [{ host: 'localhost', port: cluster.nodes[0]?.port ?? 0 }] });
  });
});

describe('a master that is not there at the start', () => {
  test('is waited for when its replica takes over by the deadline', async () => {
    const [master] = await cluster.masters();
    await master?.kill();
    await works({ commandTimeout: 8000 });
    await master?.start();
    await cluster.ready();
  });

  test('and is not replaced is named', async () => {
    const [master] = await cluster.masters();
    const replicas = master ? await cluster.replicasOf(master) : [];
    for (const node of replicas) await node.kill();
    await master?.kill();
    const seeds = cluster.nodes.filter((node) => node !== master && !replicas.includes(node));
    const { code, message } = await failure({ clusterNodes: seeds, redis: { password: PASSWORD } });
    expect(code).toBe('EVENTS_REDIS_CLUSTER_NODE_UNREACHABLE');
    expect(message).toContain(`:${master?.port}`);
    for (const node of [...replicas, ...(master ? [master] : [])]) await node.start();
    await cluster.ready();
  });
});
