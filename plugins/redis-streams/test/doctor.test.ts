import { execFile } from 'node:child_process';
import { type RedisService, redis } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { aclRule } from '../src/acl.ts';
import type { Finding } from '../src/doctor/finding.ts';
import { textReport } from '../src/doctor/report.ts';
import { type createKeys, PARKED } from '../src/keys.ts';
import { look } from './doctor-look.ts';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

/** Alone, it has no replica: all else is as it should be. */
const ALONE = 'warning no-replica';
const PASSWORD = 'of-the-default-user';

let server: RedisService;
let url: string;
let state: State;
let keys: ReturnType<typeof createKeys>;
const prefix = 'shop.v2';

beforeAll(async () => {
  server = await redis({ exclusive: true, appendonly: true, password: PASSWORD, args: ['--maxmemory', '512mb'] });
  await server.cli(...aclRule('operator', { prefix }).split(' '));
  url = `redis://events-operator:password@${server.host}:${server.port}`;
  state = new State(server, prefix);
  keys = state.keys;
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));

const seen = async (idleMs = 50): Promise<{ told: readonly string[]; findings: readonly Finding[] }> => {
  const { told, findings } = await look(url, { prefix, idleMs });
  const rest = findings.filter(({ code }) => code !== 'no-replica');
  expect(told).toContain(ALONE);
  return { told: told.filter((each) => each !== ALONE), findings: rest };
};

/** Types lines at the prompt of redis-cli; resolves with what it says. */
const prompt = (lines: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const { host, port } = server;
    const args = ['-h', host, '-p', String(port), '--no-auth-warning', '-a', PASSWORD];
    const child = execFile('redis-cli', args, (problem, out, err) => (problem ? reject(problem) : resolve(out + err)));
    child.stdin?.end(`${lines.join('\n')}\n`);
  });

/** Does what a finding advises, as far as it is a command. */
const follow = async ({ fix }: Finding): Promise<void> => {
  for (const line of fix.split(/[:;] /).filter((part) => /^(XGROUP|DEL|SREM) /.test(part)))
    await server.cli(...line.split(' ').map((word) => word.replaceAll("'", '')));
};

test('of a working set-up nothing is said, and of one that is asleep all that waits', async () => {
  const stream = keys.stream('order-events', 0);
  const trail = new Trail();
  const login = `redis://:${PASSWORD}@${server.host}:${server.port}`;
  const node = await startNode({ url: login, prefix });
  await node.kernel.subscribe('order.*', trail.handler('consumer'));
  await trail.publishAll(node.kernel, 'order.placed', 1, 5);
  await trail.whenComplete();
  await state.whenSettled('order-events');
  expect((await seen(30_000)).told).toEqual([]);
  await node.kernel.stop();

  // Somebody who is dead, what it left, what failed, what was meant for later, and another who lives and does nothing.
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
  await server.cli('XADD', stream, '*', 'e', 'x');
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
  await server.cli('XGROUP', 'CREATECONSUMER', stream, 'shop', 'swept');
  await server.cli('ZADD', keys.retries('order-events', 0, 'shop'), '1', '1-0');
  await until(async () => (await seen()).told.join() === 'error group-abandoned', 'they are idle');
  const abandoned = await seen();
  expect(abandoned.findings[0]?.what).toMatch(/Nobody has consumed.*0 events are not delivered, 1 not settled/);

  // A sign of life is work that is done.
  const work = async (): Promise<void> => {
    const id = String(await server.cli('XADD', stream, '*', 'e', 'x'));
    await server.cli('XREADGROUP', 'GROUP', 'shop', 'alive', 'STREAMS', stream, '>');
    await server.cli('XACK', stream, 'shop', id);
  };
  await until(async () => {
    await work();
    return (await seen(500)).told.length === 3;
  }, 'all of it is old enough');
  const { told, findings } = await seen(500);
  expect(told).toEqual(['error entries-stuck', 'error retries-overdue', 'info consumers-abandoned']);
  expect(findings.map(({ where }) => where)).toEqual(Array(3).fill('order-events/0 shop'));
  expect(findings[0]?.what).toMatch(/^1 deliveries/);

  // What the doctor advises for a group that nobody wants any more.
  await until(async () => (await seen()).told.join() === 'error group-abandoned', 'all are gone again');
  await follow((await seen()).findings[0] as Finding);
  expect((await seen()).told).toEqual([]);
  expect(await server.cli('EXISTS', keys.retries('order-events', 0, 'shop'))).toBe(0);

  await server.cli('ZADD', keys.delayed('order-events', 0), '1', 'e:1:x');
  expect((await seen()).told).toEqual(['error delayed-overdue']);
  await server.cli('DEL', keys.delayed('order-events', 0), stream);
  const gone = await seen();
  expect(gone.told).toEqual(['info topic-gone']);
  await follow(gone.findings[0] as Finding);
  expect((await seen()).told).toEqual([]);
});

test('of very many consumers that are gone the one that lives is seen', async () => {
  const stream = keys.stream('order-events', 0);
  await server.cli('SADD', keys.topics, 'order-events');
  await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
  const make = "for i = 1, 1001 do redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], 'shop', 'dead-' .. i) end";
  await server.cli('EVAL', make, '1', stream);
  await until(async () => {
    await server.cli('XGROUP', 'DELCONSUMER', stream, 'shop', 'living');
    await server.cli('XADD', stream, '*', 'e', 'x');
    return (await seen(1000)).told.includes('error group-abandoned');
  }, 'they count as gone');
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'living', 'COUNT', '1', 'STREAMS', stream, '>');
  expect((await seen(1000)).told).toEqual(['info consumers-abandoned']);
});

test('of very many topics it is not told how many there are, but how many at least', async () => {
  const make = "for i = 1, 150000 do redis.call('SADD', KEYS[1], 't' .. i) end";
  await server.cli('EVAL', make, '1', keys.topics);
  const { facts, findings } = await look(url, { prefix, partitions: 1 });
  expect(findings.find(({ code }) => code === 'topics-unseen')?.what).toMatch(
    /^There are at least 1\d{5} topics; at least /,
  );
  expect(textReport(facts, findings, '')).toMatch(/, at least 1\d{5} topics under /);
});

test('what it advises runs, whatever the names', async () => {
  const stream = keys.stream('order-events', 0);
  const names = ["o'brien", 'a"b', 'a\\nb', 'tab\tbell\u0007', 'turned\u202e'];
  await server.cli('SADD', keys.topics, 'order-events', ...names.map((name) => `gone ${name}`));
  await server.cli('XADD', stream, '*', 'e', 'x');
  for (const name of names) await server.cli('XGROUP', 'CREATE', stream, name, '0');
  const { told, findings } = await seen();
  expect(told).toEqual([...Array(5).fill('error group-abandoned'), ...Array(5).fill('info topic-gone')]);
  const lines = findings.flatMap(({ fix }) => fix.split(/(?:: |; )(?=XGROUP|DEL|SREM)/).slice(1));
  expect(await prompt(lines)).not.toMatch(/invalid|error/i);
  expect((await seen()).told).toEqual([]);
});

test('rights that are missing are given, and none is taken, by what it advises', async () => {
  const options = { prefix, durability: true, retention: true, database: 3 };
  await server.cli(...aclRule('consumer', options).split(' '));
  await server.cli('ACL', 'SETUSER', 'events-consumer', '+acl|whoami', '+acl|dryrun', '-zadd', '-select');
  const login = url.replace('operator', 'consumer');
  const missing = await look(login, { prefix });
  expect(missing.findings[0]).toMatchObject({
    code: 'rights-missing',
    what: expect.stringMatching(/a consumer must.* zadd\.$/),
  });
  await server.cli('ACL', 'SETUSER', 'events-consumer', '>secret', '<password', '+select');
  await server.cli(...(missing.findings[0]?.fix ?? '').split(' '));
  const mended = await look(`${login.replace('password', 'secret')}/3`, { prefix });
  expect(mended.told).not.toContain('error rights-missing');
  for (const words of [
    ['WAIT', '1', '10'],
    ['XTRIM', keys.stream('a', 0), 'MAXLEN', '1'],
    ['SELECT', '3'],
  ])
    expect(await server.cli('ACL', 'DRYRUN', 'events-consumer', ...words)).toBe('OK');
  await server.cli('ACL', 'SETUSER', 'events-consumer', 'resetkeys', 'clearselectors', `~${prefix}|store:*`);
  const keyless = await look(login.replace('password', 'secret'), { prefix });
  await server.cli(...(keyless.findings[0]?.fix ?? '').split(' '));
  expect((await look(login.replace('password', 'secret'), { prefix })).told).not.toContain('error rights-missing');
  await server.cli('ACL', 'DELUSER', 'events-consumer');
});

test('what waits for its time is not taken for what is stuck', async () => {
  const stream = keys.stream('order-events', 0);
  const later = String(Date.now() + 600_000);
  await server.cli('SADD', keys.topics, 'order-events');
  await server.cli('XGROUP', 'CREATE', stream, 'shop', '0', 'MKSTREAM');
  const id = String(await server.cli('XADD', stream, '*', 'e', 'x'));
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'c', 'STREAMS', stream, '>');
  await server.cli('XCLAIM', stream, 'shop', PARKED, '0', id, 'JUSTID');
  await server.cli('ZADD', keys.retries('order-events', 0, 'shop'), later, id);
  await server.cli('ZADD', keys.delayed('order-events', 0), later, 'e:1:x');
  const idle = async (): Promise<number> => {
    const [[, , ms] = []] = (await server.cli('XPENDING', stream, 'shop', '-', '+', '1')) as unknown[][];
    return Number(ms);
  };
  await until(async () => (await idle()) > 100, 'it waits for longer than it may be stuck');
  expect((await seen(100)).told).toEqual([]);
});

test('keys of somebody else are told', async () => {
  await server.cli('SADD', keys.topics, 'bill-events', 'user-events');
  await server.cli('SET', keys.stream('bill-events', 0), 'x');
  await server.cli('XADD', keys.stream('user-events', 0), '*', 'e', 'x');
  await server.cli('SET', keys.delayed('user-events', 0), 'x');
  const { told, findings } = await seen();
  expect(told).toEqual(['error foreign-key', 'error foreign-key']);
  expect(findings[0]?.what).toMatch(/ is a string where a (stream|zset) belongs/);
  await server.cli('DEL', keys.topics, keys.stream('bill-events', 0), keys.delayed('user-events', 0));
  await server.cli('RPUSH', keys.topics, 'x');
  expect((await seen()).told).toEqual(['error foreign-key']);
  await server.cli('DEL', keys.topics, keys.stream('user-events', 0));
  expect((await seen()).told).toEqual([]);
});

test('connections that run out are told', async () => {
  const waiting = [1, 2, 3].map(() => server.cli('BLPOP', 'nothing', '20'));
  await until(async () => /blocked_clients:3/.test(String(await server.cli('INFO', 'clients'))), 'they are connected');
  // One is the doctor's, one is that of the stranger whom it plays.
  await server.cli('CONFIG', 'SET', 'maxclients', '5');
  const { told } = await seen();
  await server.cli('RPUSH', 'nothing', '1', '2', '3');
  await Promise.all(waiting);
  expect(told).toEqual(['warning maxclients']);
  await server.cli('CONFIG', 'SET', 'maxclients', '10000');
  expect((await seen()).told).toEqual([]);
});

test('a server that lets everybody in is told', async () => {
  await using open = await redis({ exclusive: true, appendonly: true, args: ['--maxmemory', '512mb'] });
  await open.cli(...aclRule('operator').split(' '));
  const { told, findings } = await look(`redis://events-operator:password@${open.host}:${open.port}`);
  expect(told).toEqual([ALONE, 'warning open']);
  expect(findings[1]?.fix).toMatch(/^ACL SETUSER default off/);
  expect((await look(open.url)).told).toEqual([ALONE, 'warning open', 'info all-rights']);
});

test('who may not use INFO is told so, and nothing that is made up', async () => {
  await server.cli('ACL', 'SETUSER', 'blind', 'on', '>password', '~*', '+ping');
  await expect(look(url.replace('events-operator', 'blind'))).rejects.toThrow(/may not use INFO/);
  await server.cli('ACL', 'DELUSER', 'blind');
});

test('it only reads, and no event', async () => {
  await using other = await redis({ exclusive: true, password: PASSWORD });
  await other.cli('XADD', 'events:{a:0}:a', '*', 'e', 'x');
  await other.cli('XGROUP', 'CREATE', 'events:{a:0}:a', 'g', '0');
  await other.cli('SADD', 'events|topics', 'a');
  const before = /^rdb_changes_since_last_save:\d+/m.exec(String(await other.cli('INFO', 'persistence')))?.[0];
  await look(`redis://:${PASSWORD}@${other.host}:${other.port}`);
  const after = /^rdb_changes_since_last_save:\d+/m.exec(String(await other.cli('INFO', 'persistence')))?.[0];
  expect(after).toBe(before);
  const calls = String(await other.cli('INFO', 'commandstats'));
  expect(calls).not.toMatch(/cmdstat_(keys|scan|xread|xrange|xrevrange|get|smembers|eval)\b/);
});
