import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RedisSentinelService, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aclRule } from '../src/acl.ts';
import { lossBound } from '../src/doctor/loss-bound.ts';
import { look } from './doctor-look.ts';
import { until } from './until.ts';

const PASSWORD = 'of-the-default-user';
const ARGS = ['--maxmemory', '512mb', '--min-replicas-to-write', '1', '--enable-protected-configs', 'yes'];
const userOf = (line: string): string => line.replace('ACL SETUSER ', '').replace(' reset ', ' ');

describe('one master, two replicas, three sentinels', () => {
  let setUp: RedisSentinelService;
  let master: RedisSentinelService['nodes'][number];
  const login = 'events-operator:password';
  const sentinelLogin = 'sentinelUser=events-sentinel&sentinelPassword=password';
  const bySentinels = (): string => {
    const hosts = setUp.sentinels.map(({ host, port }) => `${host}:${port}`);
    return `redis+sentinel://${login}@${hosts.join(',')}/${setUp.name}?${sentinelLogin}`;
  };
  const byMaster = (): string => `redis://${login}@${master.host}:${master.port}`;

  beforeAll(async () => {
    setUp = await redisSentinel({
      ...{ password: PASSWORD, appendonly: true, args: ARGS, downAfterMs: 2000 },
      users: [userOf(aclRule('operator', { topology: 'sentinel' }))],
      sentinelPassword: PASSWORD,
      sentinelUsers: [userOf(aclRule('sentinel'))],
    });
    master = await setUp.master();
  });
  afterAll(() => setUp.stop());

  test('nothing is said against them, by whatever way one comes', async () => {
    const sentinel = await look(bySentinels());
    expect(sentinel.findings).toEqual([]);
    expect(sentinel.facts).toMatchObject({ topology: 'sentinel', silent: [] });
    expect(sentinel.facts.nodes.map(({ role }) => role).sort()).toEqual(['master', 'replica', 'replica']);
    expect(sentinel.facts.sentinels).toHaveLength(3);
    const [replica] = await setUp.replicas();
    for (const { host, port } of [master, replica ?? master]) {
      const single = await look(`redis://${login}@${host}:${port}`);
      expect(single.findings).toEqual([]);
      expect(single.facts.topology).toBe('single');
      expect(single.facts.nodes).toHaveLength(3);
    }
    // The sentinels and the master call them by their addresses.
    const named = await look(bySentinels().replaceAll('127.0.0.1', 'localhost'));
    expect(named.findings).toEqual([]);
    expect([named.facts.sentinels.length, named.facts.nodes.length]).toEqual([3, 3]);
    const alias = await look(`redis://${login}@localhost:${replica?.port}`);
    expect(alias.findings).toEqual([]);
    expect(alias.facts.nodes).toHaveLength(3);
    const [one] = setUp.sentinels;
    const guessed = await look(
      `redis+sentinel://${login}@${one?.host}:${one?.port}/${setUp.name}?sentinelPassword=${PASSWORD}`,
    );
    expect(guessed.findings).toEqual([]);
    expect(guessed.facts.sentinels).toHaveLength(3);
    expect(lossBound(sentinel.facts)).toMatch(/at most about 11 s.*n at most 1 here/);
  });

  test('the sentinels refuse their user nothing', async () => {
    for (const { cli } of setUp.sentinels) expect(await cli('ACL', 'LOG')).toEqual([]);
  });

  test.each<[finding: string, change: string, repairs: boolean, undo?: string]>([
    ['error eviction', 'CONFIG SET maxmemory-policy allkeys-lru', true],
    ['warning no-maxmemory', 'CONFIG SET maxmemory 0', true],
    ['error memory-headroom', 'CONFIG SET maxmemory 1', true, 'CONFIG SET maxmemory 512mb'],
    ['error no-persistence', 'CONFIG SET appendonly no', true],
    ['warning appendfsync-no', 'CONFIG SET appendfsync no', true],
    ['warning min-replicas', 'CONFIG SET min-replicas-to-write 0', true],
    ['warning min-replicas-lag', 'CONFIG SET min-replicas-max-lag 600', true],
    ['info min-replicas-tight', 'CONFIG SET min-replicas-to-write 2', false, 'CONFIG SET min-replicas-to-write 1'],
    ['error min-replicas-unmet', 'CONFIG SET min-replicas-to-write 3', false, 'CONFIG SET min-replicas-to-write 1'],
    ['info idle-timeout', 'CONFIG SET timeout 300', true],
    ['warning bulk-length', 'CONFIG SET proto-max-bulk-len 1048576', true],
    [
      'warning output-buffer',
      'CONFIG SET client-output-buffer-limit "normal 1mb 0 0"',
      false,
      'CONFIG SET client-output-buffer-limit "normal 0 0 0"',
    ],
  ])('%s: after %s; what it advises mends it', async (finding, change, repairs, undo) => {
    const send = (line: string): Promise<unknown> =>
      master.cli(...(line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', '')));
    await send(change);
    try {
      const { told, findings } = await look(byMaster());
      expect(told).toEqual([finding]);
      expect(findings[0]?.where).toBe(`${master.host}:${master.port}`);
      const advice = findings[0]?.fix ?? '';
      await send(repairs ? (advice.split(',')[0] as string) : (undo as string));
      // A rewrite of the append-only file may be under way: it is on as soon as that is asked for.
      expect((await look(byMaster())).told).toEqual([]);
    } finally {
      await send(undo ?? 'CONFIG SET maxmemory-policy noeviction');
    }
  });

  test.each<[finding: string, change: string]>([
    ['warning min-replicas', 'CONFIG SET min-replicas-to-write 0'],
    ['warning min-replicas-lag', 'CONFIG SET min-replicas-max-lag 600'],
    ['warning never-promoted', 'CONFIG SET replica-priority 0'],
    ['warning replica-priority', 'CONFIG SET replica-priority 10'],
  ])('%s: after %s on a replica; what it advises mends it', async (finding, change) => {
    const [replica] = (await setUp.replicas()) as [RedisSentinelService['nodes'][number]];
    await replica.cli(...change.split(' '));
    const { told, findings } = await look(bySentinels());
    expect(told).toEqual([finding]);
    expect(findings[0]?.where).toBe(`${replica.host}:${replica.port}`);
    await replica.cli(...(findings[0]?.fix ?? '').split(' '));
    expect((await look(bySentinels())).told).toEqual([]);
  });

  test('replicas of which none may take over are told', async () => {
    const replicas = await setUp.replicas();
    for (const { cli } of replicas) await cli('CONFIG', 'SET', 'replica-priority', '0');
    const { told, findings } = await look(bySentinels());
    expect(told).toEqual(['error no-candidate', 'error no-candidate']);
    for (const { cli } of replicas) await cli(...(findings[0]?.fix ?? '').split(' '));
    expect((await look(bySentinels())).told).toEqual([]);
  });

  test('a sentinel that refuses to tell of the master does not contradict the others', async () => {
    const [first] = setUp.sentinels;
    await first?.cli('ACL', 'SETUSER', 'events-sentinel', '-sentinel|master');
    const { told, findings } = await look(bySentinels());
    expect(told).toEqual(['info not-looked-at']);
    expect(findings[0]).toMatchObject({ where: 'user of the sentinels', fix: aclRule('sentinel') });
    await first?.cli(...(findings[0]?.fix ?? '').split(' '));
    expect((await look(bySentinels())).told).toEqual([]);
  });

  test('a disk that fails is told', async () => {
    const [, before = ''] = (await master.cli('CONFIG', 'GET', 'dir')) as string[];
    const directory = mkdtempSync(join(tmpdir(), 'events-doctor-'));
    await master.cli('CONFIG', 'SET', 'dir', directory);
    rmSync(directory, { recursive: true });
    await master.cli('BGSAVE');
    const snapshot = async (): Promise<string> => String(await master.cli('INFO', 'persistence'));
    await until(async () => /rdb_last_bgsave_status:err/.test(await snapshot()), 'the snapshot fails');
    expect((await look(byMaster())).told).toEqual(['warning snapshot-failed']);
    await master.cli('CONFIG', 'SET', 'save', '3600 1');
    expect((await look(byMaster())).told).toEqual(['error snapshot-failed']);
    await master.cli('CONFIG', 'SET', 'dir', before, 'save', '');
    await master.cli('BGSAVE');
    await until(async () => /rdb_last_bgsave_status:ok/.test(await snapshot()), 'the snapshot succeeds');
    expect((await look(byMaster())).told).toEqual([]);
  });

  test('a user who may not what a service must is told, one whom a replica does not know, and one who may everything', async () => {
    const part = 'ACL SETUSER part on >password ~events:* -@all +ping +info +xadd +acl|whoami +acl|dryrun';
    const onAll = async (line: string): Promise<void> => {
      for (const { cli } of setUp.nodes) await cli(...line.split(' '));
    };
    await onAll(part);
    const url = `redis://part:password@${master.host}:${master.port}`;
    const { told, findings } = await look(url);
    expect(told).toEqual(['error rights-missing', 'info not-looked-at']);
    const [missing, refused] = findings;
    expect(missing?.what).toMatch(
      /a publisher must.*lacks, on our keys: client\|setname, zadd, sadd, eval, evalsha, get, set, incrby, pttl, pexpire\./,
    );
    expect(refused?.what).toMatch(/config\|get/);
    await onAll(missing?.fix ?? '');
    expect((await look(url)).told).toEqual(['info not-looked-at']);
    const [replica] = await setUp.replicas();
    await replica?.cli('ACL', 'DELUSER', 'part');
    const unknown = await look(url);
    expect(unknown.told[0]).toBe('error user-unknown');
    expect(unknown.findings[0]?.where).toBe(`${replica?.host}:${replica?.port}`);
    await onAll('ACL DELUSER part');
    expect((await look(`redis://:${PASSWORD}@${master.host}:${master.port}`)).told).toEqual(['info all-rights']);
  });

  test('of servers that tell a user nothing nothing is made up', async () => {
    for (const { cli } of setUp.nodes) await cli('ACL', 'SETUSER', 'blind', 'on', '>password', '~*', '+ping');
    const { told, facts } = await look(bySentinels().replace('events-operator', 'blind'));
    expect(told).toEqual(['info rights-unknown', 'info not-looked-at']);
    expect(facts.nodes.map(({ role }) => role).sort()).toEqual(['master', 'replica', 'replica']);
    for (const { cli } of setUp.nodes) await cli('ACL', 'DELUSER', 'blind');
  });

  test('a quorum that nobody reaches, and one that is too small, are told', async () => {
    const [first] = setUp.sentinels;
    for (const [quorum, expected] of [
      ['5', 'error no-quorum'],
      ['1', 'warning quorum'],
    ] as const) {
      await first?.cli('SENTINEL', 'SET', setUp.name, 'quorum', quorum);
      expect((await look(bySentinels())).told).toEqual([expected]);
      await first?.cli('SENTINEL', 'SET', setUp.name, 'quorum', '2');
      expect((await look(bySentinels())).told).toEqual([]);
    }
  });

  test('servers that are away are told, and a frozen one holds nobody up', async () => {
    const [replica] = await setUp.replicas();
    const [, second, third] = setUp.sentinels;
    await replica?.kill();
    await until(async () => /connected_slaves:1/.test(String(await master.cli('INFO', 'replication'))), 'it is gone');
    const without = await look(bySentinels());
    expect(without.told).toEqual(['warning replica-silent', 'info min-replicas-tight']);
    expect(without.findings[0]).toMatchObject({ where: `${replica?.host}:${replica?.port}`, what: /ECONNREFUSED/ });
    await second?.kill();
    await third?.freeze();
    const began = Date.now();
    await until(
      async () => (await look(bySentinels(), { timeoutMs: 300 })).told.includes('error no-quorum'),
      'no quorum',
    );
    const { told } = await look(bySentinels(), { timeoutMs: 300 });
    expect(told.filter((each) => each === 'error sentinel-silent')).toHaveLength(2);
    expect(Date.now() - began).toBeLessThan(30_000);
    await third?.thaw();
    await second?.start();
    await replica?.start();
    await setUp.ready();
  });
});

test('sentinels that want no password get none', async () => {
  const users = [userOf(aclRule('operator', { topology: 'sentinel' }))];
  await using setUp = await redisSentinel({ password: PASSWORD, users, replicas: 1, sentinels: 1, quorum: 1 });
  const [sentinel] = setUp.sentinels;
  const { facts } = await look(
    `redis+sentinel://events-operator:password@${sentinel?.host}:${sentinel?.port}/${setUp.name}`,
  );
  expect([facts.sentinels.length, facts.nodes.length, facts.silent]).toEqual([1, 2, []]);
  expect(await sentinel?.cli('ACL', 'LOG')).toEqual([]);
});
