import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type RedisClusterService,
  type RedisSentinelService,
  redisCluster,
  redisSentinel,
} from '@logistically/events-conformance/services';
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
    ['error memory-headroom', 'CONFIG SET maxmemory 1', true],
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
      /a publisher must.*lacks, on our keys: client\|setname, zadd, sadd, eval, evalsha, get, set\./,
    );
    expect(refused?.what).toMatch(/config\|get/);
    await onAll(missing?.fix ?? '');
    // A publisher may not ask what he may.
    expect((await look(url)).told).toEqual(['info rights-unknown', 'info not-looked-at']);
    const [replica] = await setUp.replicas();
    await replica?.cli('ACL', 'DELUSER', 'part');
    const unknown = await look(url);
    expect(unknown.told[0]).toBe('error user-unknown');
    expect(unknown.findings[0]?.where).toBe(`${replica?.host}:${replica?.port}`);
    await onAll('ACL DELUSER part');
    expect((await look(`redis://:${PASSWORD}@${master.host}:${master.port}`)).told).toEqual(['info all-rights']);
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

describe('a cluster of three masters with a replica each', () => {
  let setUp: RedisClusterService;
  const byNode = (index: number): string => {
    const { host, port } = setUp.nodes[index] as RedisClusterService['nodes'][number];
    return `redis://events-operator:password@${host}:${port}`;
  };

  beforeAll(async () => {
    setUp = await redisCluster({
      ...{ password: PASSWORD, appendonly: true, args: ['--maxmemory', '512mb', '--min-replicas-to-write', '1'] },
      users: [userOf(aclRule('operator', { topology: 'cluster' }))],
    });
  });
  afterAll(() => setUp.stop());

  const TIGHT = Array<string>(3).fill('info min-replicas-tight');

  test('nothing is said against it but that one replica is few, by whatever node one comes', async () => {
    for (const index of [0, 4]) {
      const { told, facts } = await look(byNode(index));
      expect(told).toEqual(TIGHT);
      expect(facts).toMatchObject({ topology: 'cluster', silent: [] });
      expect(facts.nodes).toHaveLength(6);
      expect(lossBound(facts)).toMatch(/there is one: it is refused/);
    }
  });

  test('topics are found on the node that has them, and skew is told', async () => {
    const [first] = setUp.nodes;
    const send = async (key: string, ...words: string[]): Promise<unknown> =>
      (await setUp.slotOwner(setUp.slotOf(key))).cli(...words);
    const large = 'x'.repeat(900_000);
    const topics = ['order-events', 'bill-events', 'user-events'];
    await send('events|topics', 'SADD', 'events|topics', ...topics);
    for (const topic of topics) {
      const key = `events:{${topic}:1}:${topic}`;
      for (let i = 0; i < (topic === 'bill-events' ? 20 : 1); i++) await send(key, 'XADD', key, '*', 'e', large);
    }
    const { told, findings, facts } = await look(byNode(5));
    expect(facts.workload.streams.map(({ topic, entries }) => [topic, entries]).sort()).toEqual([
      ['bill-events', 20],
      ['order-events', 1],
      ['user-events', 1],
    ]);
    expect(told).toEqual(['warning slot-skew', ...TIGHT]);
    const owner = await setUp.slotOwner(setUp.slotOf('{bill-events:1}'));
    expect(findings[0]).toMatchObject({ where: `${owner.host}:${owner.port}`, what: /\{bill-events:1\} has 9\d %/ });
    for (const topic of topics) await send(`{${topic}:1}`, 'DEL', `events:{${topic}:1}:${topic}`);
    await send('events|topics', 'DEL', 'events|topics');
    expect((await look(byNode(0))).told).toEqual(TIGHT);
    expect(first).toBeDefined();
  });

  test('open slots, full coverage and a long node timeout are told, with what mends them', async () => {
    const [from, to] = (await setUp.masters()) as [
      RedisClusterService['nodes'][number],
      RedisClusterService['nodes'][number],
    ];
    const own = await setUp.slotOwner(0);
    await setUp.openSlot(0, own === from ? to : from);
    const { told, findings } = await look(byNode(3));
    expect(told).toEqual(['warning slots-open', 'warning slots-open', ...TIGHT]);
    expect(findings[0]?.fix).toContain('CLUSTER SETSLOT 0 STABLE');
    for (const node of await setUp.masters()) await node.cli('CLUSTER', 'SETSLOT', '0', 'STABLE');
    for (const [finding, change] of [
      ['warning full-coverage', 'CONFIG SET cluster-require-full-coverage yes'],
      ['warning node-timeout', 'CONFIG SET cluster-node-timeout 60000'],
    ] as const) {
      await from.cli(...change.split(' '));
      const seen = await look(byNode(0));
      expect(seen.told).toEqual([finding, ...TIGHT]);
      await from.cli(...(seen.findings[0]?.fix ?? '').split(' '));
      expect((await look(byNode(0))).told).toEqual(TIGHT);
    }
    await from.cli('CONFIG', 'SET', 'cluster-node-timeout', '1000');
  });

  test('a shard that is gone is told', async () => {
    const [master] = (await setUp.masters()) as [RedisClusterService['nodes'][number]];
    const [replica] = await setUp.replicasOf(master);
    await replica?.kill();
    await master.kill();
    const other = (await setUp.masters()).find((node) => node !== master);
    const url = `redis://events-operator:password@${other?.host}:${other?.port}`;
    const failed = async (): Promise<string> =>
      (await look(url)).findings.find(({ code }) => code === 'node-failed')?.what ?? '';
    await until(async () => (await failed()).includes(`${master.host}:${master.port}`), 'the master counts as failed');
    const { told } = await look(url);
    expect(told.slice(0, 3).sort()).toEqual(['error master-silent', 'error node-failed', 'error slots-failed']);
    expect(told).toContain('warning replica-silent');
    await master.start();
    await replica?.start();
    await setUp.ready();
  });
});
