import { randomUUID } from 'node:crypto';
import { batching } from '@logistically/events-batching';
import { redisCluster as redisClusterService } from '@logistically/events-conformance/services';
import { dlq } from '@logistically/events-dlq';
import { idempotency } from '@logistically/events-idempotency';
import { createKernel, type LifecycleEvents } from '@logistically/events-kernel';
import { slotOf } from '@logistically/events-redis-streams/engine';
import { retry } from '@logistically/events-retry';
import { expect, test } from 'vitest';
import { redisCluster } from '../src/index.ts';
import { Commands } from './commands.ts';
import { later } from './later.ts';
import { scripts, undeclared } from './lua.ts';
import { SHORT } from './node.ts';
import { State } from './state.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const TOPIC = 'order-events';
const RENEW = scripts().find(({ file }) => file === 'renew.lua')?.sha ?? '';

test('no command names keys of two slots, whatever the transport does', async () => {
  await using cluster = await redisClusterService({ replicasPerMaster: 2 });
  const state = new State(cluster);
  const commands = new Commands();
  const options = { ...SHORT, clusterNodes: cluster.nodes, partitions: PARTITIONS, connect: commands.connect } as const;

  await state.whenReplicasAreNamed(2);
  // Something of a dead consumer to take over, in every partition.
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const [owner, stream] = [await state.owner(TOPIC, partition), state.stream(TOPIC, partition)];
    await owner.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
    await owner.cli('XADD', stream, '*', 'x', 'no event');
    await owner.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
  }

  const transport = redisCluster({ ...options, retention: { maxLength: 50 }, durability: { replicas: 1 } });
  const heard: string[] = [];
  const kernel = createKernel({ service: 'shop', logger: { debug() {}, info() {}, warn() {}, error() {} } })
    .use(transport)
    .use(retry({ maxAttempts: 3, baseDelayMs: 10 }))
    .use(dlq())
    .use(idempotency({ leaseMs: 1000, produce: { by: ({ header }) => header.id } }))
    .use(batching({ maxWaitMs: 1 }))
    .use(later(transport.capabilities.delay, 'order.later'));
  kernel.on('*', (type: keyof LifecycleEvents) => heard.push(type));
  const done = new Set<string>();
  const handler =
    (name: string) =>
    async ({ body }: { readonly body: unknown }, { attempt }: { readonly attempt: number }): Promise<void> => {
      const { n } = body as { n: number };
      if (n === 13) throw new Error('fails for ever');
      if (n === 17) await until(() => commands.names.has(RENEW), 'a lease that is renewed');
      if (n % 10 === 0 && attempt === 1) throw new Error('fails at first');
      done.add(`${name}/${n}`);
    };
  await kernel.subscribe('order.*', handler('few'), { concurrency: 2 });
  await kernel.subscribe('order.*', handler('many'), { group: 'many', concurrency: 40 });
  await kernel.subscribe('*.placed', handler('all'), { group: 'all', from: 'earliest' });
  await kernel.start();
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  const of = (n: number) => ({ type: 'order.placed', body: { n }, partition: n % PARTITIONS });
  await kernel.publishBatch(numbers.map(of));
  await kernel.publish('order.placed', { n: 200 }, { partition: 3 });
  await kernel.publish('bill.placed', { n: 201 });
  await kernel.publish('order.later', { n: 204 }, { partition: 4 });
  await until(
    () => done.size === 3 * 200 + 1 + 2,
    () => ({ done: done.size, heard: [...new Set(heard)] }),
    25_000,
  );

  // What failed for ever: moved, looked at, moved back, removed.
  const filter = { type: 'order.placed' };
  const letters = async (): Promise<number> => (await kernel.dlq.list(filter)).letters.length;
  await until(async () => (await letters()) === 3, 'a dead letter of each group');
  expect(await kernel.dlq.redrive({ filter })).toMatchObject({ redriven: 3 });
  await until(async () => (await letters()) === 3, 'they are back');
  expect(await kernel.dlq.purge({ filter })).toMatchObject({ purged: 3 });

  const { store, log, inspect } = transport.capabilities;
  const entries = Array.from({ length: 1200 }, (_, index) => [`{${randomUUID()}}`, `${index}`] as const);
  expect(await store.setMany(entries, { ttlMs: 60_000 })).toEqual(entries.map(() => true));
  expect(await store.setMany(entries, { ifAbsent: true })).toEqual(entries.map(() => false));
  expect(await store.get(entries[7]?.[0] ?? '')).toBe('7');
  await store.set('a', '1', { ttlMs: 60_000 });
  await store.set('a', '1');
  expect(await store.setIfAbsent('a', '2')).toBe(false);
  expect(await store.setIfAbsent('b', '2', { ttlMs: 60_000 })).toBe(true);
  expect(await store.compareAndSet('a', '1', '2', { ttlMs: 60_000 })).toBe(true);
  await store.delete('a');
  expect(await store.increment('count', 2, { ttlMs: 60_000 })).toBe(2);
  const lease = await store.lease('lock', 60_000);
  expect(await lease?.renew()).toBe(true);
  await lease?.release();
  expect(await log.topics()).toContain('bill-events');
  expect((await log.read(TOPIC, { partition: 1 })).length).toBeGreaterThan(0);
  expect((await inspect.topic(TOPIC)).partitions).toHaveLength(PARTITIONS);

  // A reply that is lost, a group that is lost.
  await (await state.owner(TOPIC, 1)).cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await (await state.owner(TOPIC, 2)).cli('XGROUP', 'DESTROY', state.stream(TOPIC, 2), 'shop');
  await until(() => heard.includes('recovered'), 'the group is made again');
  await kernel.publish('order.placed', { n: 202 }, { partition: 1 });
  await until(() => done.has('few/202'), 'goes on');
  expect(await kernel.health()).toMatchObject({ problems: [] });
  await kernel.stop();

  const named = await commands.keys(cluster.nodes[0]?.url ?? '');
  const spanning = named.filter(({ keys }) => new Set(keys.map(slotOf)).size !== 1);
  expect(spanning.map(({ command: [name, sha], keys }) => [name, sha, keys.slice(0, 3)])).toEqual([]);
  expect(Math.max(...named.map(({ keys }) => keys.length))).toBeGreaterThan(1);
  // Nothing that the transport can do was left out.
  for (const name of [
    ...['xadd', 'xreadgroup', 'xread', 'xack', 'xrange', 'xdel', 'xlen', 'xinfo', 'eval', 'evalsha', 'wait', 'zcard'],
    ...['sadd', 'scard', 'smembers', 'get', 'set', 'del', 'exists', 'cluster', 'client', 'ping', 'info'],
  ])
    expect(commands.names).toContain(name);
  const unsent = scripts().filter(({ source, sha }) => !commands.names.has(sha) && !commands.names.has(source));
  expect(unsent.map(({ file }) => file)).toEqual([]);
});

test.each(scripts().map(({ file, source }) => [file, source]))(
  '%s touches the keys that it declares and no others',
  (_, source) => {
    expect(source).toMatch(/redis\.p?call\(/);
    expect(undeclared(source)).toEqual([]);
  },
);

test.each([
  ['a name of its own making', "local key = KEYS[1] .. '|more'\nreturn redis.call('GET', key)"],
  ['an argument', "return redis.call('GET', ARGV[1])"],
  ['a text', "return redis.call('GET', 'events|topics')"],
  ['a parameter', "local function get(key)\n  return redis.call('GET', key)\nend\nreturn get(ARGV[1])"],
  ['a name that is changed', "local key = KEYS[1]\nkey = ARGV[1]\nreturn redis.pcall('GET', key)"],
  ['a list of others', "for _, key in ipairs({ KEYS[1], ARGV[1] }) do redis.call('DEL', key) end"],
  ['all arguments', "for _, key in ipairs(ARGV) do redis.call('DEL', key) end"],
  ['an unpacked argument', "local add = { 'XADD', ARGV[1], '*' }\nreturn redis.call(unpack(add))"],
  ['a stream in an info', "return redis.call('XINFO', 'STREAM', ARGV[1])"],
  ['a command that is not written down', 'return redis.call(ARGV[1], KEYS[1])'],
])('a script that touched %s would be seen', (_, source) => {
  expect(undeclared(source)).toHaveLength(1);
});
