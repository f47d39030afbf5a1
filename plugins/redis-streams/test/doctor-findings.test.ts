import { expect, test } from 'vitest';
import { clusterNodeOf } from '../src/doctor/cluster-probe.ts';
import { diagnose } from '../src/doctor/diagnosis.ts';
import type { Facts, Fields, GroupFacts, NodeFacts, StreamFacts, UserFacts } from '../src/doctor/facts.ts';
import { argument } from '../src/doctor/findings/argument.ts';
import { lossBound } from '../src/doctor/loss-bound.ts';
import { textReport } from '../src/doctor/report.ts';
import { slotOf } from '../src/slot.ts';
import { clusterNode, facts, group, lacks, node, sentinel, stream } from './doctor-facts.ts';

const MIB = 1_048_576;

const told = (seen: Facts): string[] => diagnose(seen).map(({ level, code }) => `${level} ${code}`);
const ofNode = (info: Fields, config: Fields = {}, more: Partial<NodeFacts> = {}): Facts =>
  facts({ nodes: [{ ...node('10.0.0.1:6379', info, config), ...more }] });
const ofStreams = (...streams: StreamFacts[]): Facts => facts({ workload: { ...facts().workload, streams } });
const ofGroup = (more: Partial<GroupFacts>): Facts => ofStreams(stream('order-events', { groups: [group(more)] }));
const ofUser = (more: Partial<UserFacts>): Facts => facts({ user: { ...facts().user, ...more } });
const sentinels = (...all: ReturnType<typeof sentinel>[]): Facts => facts({ topology: 'sentinel', sentinels: all });
const three = [clusterNode(1), clusterNode(2), clusterNode(3)] as const;
const cluster = (
  nodes: readonly ReturnType<typeof clusterNode>[],
  info: Fields = {},
  more: Partial<Facts> = {},
): Facts =>
  facts({
    topology: 'cluster',
    cluster: [{ where: '10.0.0.1:6379', info: { cluster_state: 'ok', ...info }, nodes }],
    nodes: [1, 2, 3].map((index) => node(`10.0.0.${index}:6379`)),
    ...more,
  });
const gone = [{ name: 'c', pending: 0, idleMs: 600_000 }];

test('nothing is said of a good server, sentinel set-up or cluster', () => {
  expect(told(facts())).toEqual([]);
  expect(told(sentinels(sentinel('a:1'), sentinel('b:1'), sentinel('c:1')))).toEqual([]);
  expect(told(cluster(three))).toEqual([]);
});

test.each<[finding: string, seen: Facts, fix: RegExp]>([
  ['error version-unsupported', ofNode({ redis_version: '6.0.16' }), /7\.0/],
  ['warning version-old', ofNode({ redis_version: '6.2.14' }), /7\.0/],
  ['error eviction', ofNode({}, { 'maxmemory-policy': 'allkeys-lru' }), /^CONFIG SET maxmemory-policy noeviction$/],
  ['warning eviction', ofNode({ maxmemory_policy: 'volatile-ttl' }), /noeviction/],
  ['warning no-maxmemory', ofNode({ maxmemory: '0' }), /^CONFIG SET maxmemory 2457mb$/],
  ['error maxmemory-beyond-machine', ofNode({ maxmemory: String(8192 * MIB) }), /maxmemory 2457mb/],
  ['warning memory-headroom', ofNode({ used_memory: String(800 * MIB) }), /CONFIG SET maxmemory 1600mb/],
  ['error memory-headroom', ofNode({ used_memory: String(1000 * MIB) }), /maxmemory/],
  ['error no-persistence', ofNode({ aof_enabled: '0' }), /CONFIG SET appendonly yes/],
  ['warning snapshots-only', ofNode({ aof_enabled: '0' }, { save: '3600 1' }), /appendonly yes/],
  ['warning appendfsync-no', ofNode({}, { appendfsync: 'no' }), /appendfsync everysec/],
  [
    'warning no-appendfsync-on-rewrite',
    ofNode({}, { appendfsync: 'always', 'no-appendfsync-on-rewrite': 'yes' }),
    /no-appendfsync-on-rewrite no/,
  ],
  ['error aof-write-failed', ofNode({ aof_last_write_status: 'err' }), /disk/],
  ['error snapshot-failed', ofNode({ rdb_last_bgsave_status: 'err' }, { save: '60 1' }), /overcommit_memory/],
  ['warning snapshot-failed', ofNode({ rdb_last_bgsave_status: 'err' }), /overcommit_memory/],
  ['warning aof-rewrite-failed', ofNode({ aof_last_bgrewrite_status: 'err' }), /disk/],
  ['warning no-replica', ofNode({ connected_slaves: '0', slave0: '', slave1: '' }), /REPLICAOF 10\.0\.0\.1 6379/],
  ['warning min-replicas', ofNode({}, { 'min-replicas-to-write': '0' }), /min-replicas-to-write 1/],
  ['warning min-replicas-lag', ofNode({}, { 'min-replicas-max-lag': '300' }), /min-replicas-max-lag 10/],
  ['error min-replicas-unmet', ofNode({}, { 'min-replicas-to-write': '3' }), /min-replicas-to-write 2/],
  ['info min-replicas-tight', ofNode({}, { 'min-replicas-to-write': '2' }), /min-replicas-to-write 1/],
  ['warning replica-syncing', ofNode({ slave1: 'ip=h,port=1,state=wait_bgsave,offset=0,lag=0' }), /Wait/],
  [
    'warning replica-lag',
    ofNode({ master_repl_offset: String(30 * MIB), slave1: `ip=h,port=1,state=online,offset=${30 * MIB},lag=0` }),
    /network/,
  ],
  ['error replica-link-down', ofNode({ role: 'slave', master_link_status: 'down' }), /masterauth/],
  [
    'warning replica-silent',
    facts({ silent: [{ where: 'h:1', kind: 'replica', why: 'ECONNREFUSED' }] }),
    /announce-ip/,
  ],
  [
    'error user-unknown',
    facts({ silent: [{ where: 'h:1', kind: 'replica', why: 'it replied WRONGPASS' }] }),
    /aclfile/,
  ],
  ['error sentinel-silent', facts({ silent: [{ where: 'h:1', kind: 'sentinel', why: 'ECONNREFUSED' }] }), /Start it/],
  ['error few-sentinels', sentinels(sentinel('a:1', { 'num-other-sentinels': '1' })), /sentinel monitor mymaster/],
  ['error no-quorum', sentinels(sentinel('a:1', {}, '1 usable Sentinels.')), /CKQUORUM mymaster/],
  ['error quorum', sentinels(sentinel('a:1', { quorum: '4' })), /^SENTINEL SET mymaster quorum 2$/],
  ['warning quorum', sentinels(sentinel('a:1', { quorum: '1' })), /quorum 2/],
  ['warning down-after', sentinels(sentinel('a:1', { 'down-after-milliseconds': '60000' })), /milliseconds 5000/],
  ['warning down-after', sentinels(sentinel('a:1', { 'down-after-milliseconds': '200' })), /milliseconds 5000/],
  ['error sentinels-disagree', sentinels(sentinel('a:1'), sentinel('b:1', { ip: '10.0.0.2' })), /SENTINEL RESET/],
  ['error master-down', sentinels(sentinel('a:1', { flags: 'master,s_down' })), /failover/],
  [
    'error slots-uncovered',
    cluster([...three.slice(0, 2), clusterNode(3, { slots: [[10_922, 16_000]] })]),
    /cluster fix/,
  ],
  ['error slots-failed', cluster(three, { cluster_slots_fail: '5461' }), /cluster check/],
  ['error cluster-down', cluster(three, { cluster_state: 'fail' }), /cluster check/],
  ['error node-failed', cluster([...three, clusterNode(4, { flags: ['slave', 'fail'], slots: [] })]), /FORGET/],
  [
    'error few-masters',
    cluster([clusterNode(1, { slots: [[0, 8191]] }), clusterNode(2, { slots: [[8192, 16_383]] })]),
    /three masters/,
  ],
  ['warning slots-open', cluster([clusterNode(1, { open: ['42->-id2'] }), ...three.slice(1)]), /SETSLOT 42 STABLE/],
  [
    'warning full-coverage',
    cluster(three, {}, { nodes: [node('10.0.0.1:6379', {}, { 'cluster-require-full-coverage': 'yes' })] }),
    /require-full-coverage no/,
  ],
  [
    'warning node-timeout',
    cluster(three, {}, { nodes: [node('10.0.0.1:6379', {}, { 'cluster-node-timeout': '60000' })] }),
    /node-timeout 5000/,
  ],
  ['error open', ofNode({}, {}, { isOpen: true }), /default off/],
  ['warning open', ofNode({}, {}, { isOpen: true, isLoopback: true }), /default off/],
  ['warning plaintext', ofNode({}, {}, { isTls: false }), /rediss:/],
  ['info rights-unknown', ofUser({ lacks: undefined }), /--acl/],
  ['info all-rights', ofUser({ mayDoAll: true }), /^ACL SETUSER events-consumer /],
  [
    'error rights-missing',
    ofUser({ lacks: lacks({ publisher: ['xadd'], consumer: ['xadd', 'xack'], operator: ['xdel', 'xadd', 'type'] }) }),
    /^ACL SETUSER shop \(~events:\* ~events\|topics \+xadd\)$/,
  ],
  [
    'error rights-missing',
    ofUser({ lacks: lacks({ publisher: ['zadd'], consumer: ['zadd'], operator: ['xdel', 'zcount'] }) }),
    /^ACL SETUSER shop \(~events:\* ~events\|topics \+zadd\)$/,
  ],
  [
    'error rights-missing',
    ofUser({
      lacks: lacks({ consumer: ['xack'], operator: ['xdel', 'type'] }, { publisher: ['get'], consumer: ['get'] }),
    }),
    /^ACL SETUSER shop \(~events\|store:\* \+get\)$/,
  ],
  ['info all-rights', { ...ofUser({ mayDoAll: true }), database: 3 }, / \+select /],
  ['info all-rights', { ...ofNode({ redis_version: '7.2.4' }), user: { ...facts().user, mayDoAll: true } }, /setinfo/],
  [
    'info not-looked-at',
    ofUser({ name: 'events-operator', refused: ['type'] }),
    /^Compare ACL GETUSER events-operator /,
  ],
  ['info not-looked-at', facts({ sentinelRefused: ['sentinel|master'] }), /^ACL SETUSER events-sentinel /],
  ['info not-looked-at', ofUser({ refused: ['config|get'] }), /^ACL SETUSER events-operator .*\+config\|get/],
  ['warning maxclients', ofNode({ connected_clients: '8000' }), /maxclients 20000/],
  ['error maxclients', ofNode({ connected_clients: '9900' }), /CLIENT LIST/],
  ['info idle-timeout', ofNode({}, { timeout: '60' }), /timeout 0/],
  ['warning output-buffer', ofNode({}, { 'client-output-buffer-limit': 'normal 1048576 0 0' }), /normal 0 0 0/],
  ['warning bulk-length', ofNode({}, { 'proto-max-bulk-len': '1048576' }), /512mb/],
  [
    'error group-abandoned',
    ofGroup({ consumers: gone, lag: 3 }),
    /XGROUP DESTROY 'events:\{order-events:0\}:order-events' 'shop'/,
  ],
  ['info group-abandoned', ofGroup({ consumers: [] }), /XGROUP DESTROY/],
  ['error group-abandoned', ofGroup({ consumers: gone, stuck: 1, pending: 1 }), /XGROUP DESTROY/],
  ['error group-abandoned', ofGroup({ consumers: gone, overdue: 1, pending: 1 }), /XGROUP DESTROY/],
  [
    'info group-abandoned',
    { ...ofGroup({ consumers: gone }), nodes: [node('10.0.0.1:6379', { redis_version: '7.2.4' })] },
    /XGROUP DESTROY/,
  ],
  ['error entries-stuck', ofGroup({ stuck: 2, pending: 2 }), /XPENDING .* IDLE 300000/],
  ['error retries-overdue', ofGroup({ overdue: 2 }), /ZRANGE '.*\|retries\|shop'/],
  ['info consumers-abandoned', ofGroup({ consumers: [...group().consumers, ...gone] }), /DELCONSUMER/],
  ['error delayed-overdue', ofStreams(stream('order-events', { groups: [], overdue: 1 })), /\|delayed'/],
  [
    'error foreign-key',
    facts({
      workload: { ...facts().workload, foreign: [{ key: 'events|topics', where: 'h:1', type: 'list', wanted: 'set' }] },
    }),
    /prefix/,
  ],
  [
    'info topic-gone',
    facts({ workload: { ...facts().workload, gone: ['bill-events'] } }),
    /SREM 'events\|topics' 'bill-events'/,
  ],
  ['info topics-unseen', facts({ workload: { ...facts().workload, unseen: 7 } }), /Nothing/],
  [
    'warning slot-skew',
    cluster(
      three,
      {},
      {
        workload: { ...facts().workload, streams: [stream('a', { bytes: 90 * MIB }), stream('b', { bytes: 9 * MIB })] },
      },
    ),
    /partitions/,
  ],
  [
    'warning master-skew',
    cluster(
      three,
      {},
      {
        workload: { ...facts().workload, streams: ['a', 'b', 'c'].map((topic) => stream(topic, { bytes: 30 * MIB })) },
      },
    ),
    /reshard 10\.0\.0\.1:6379/,
  ],
])('%s is told, with what to do', (finding, seen, fix) => {
  expect(told(seen)).toEqual([finding]);
  expect(diagnose(seen)[0]?.fix).toMatch(fix);
});

test('a sentinel that tells nothing does not contradict the others, and a silent one is counted once', () => {
  const mute = { ...sentinel('c:1'), master: '', fields: {} };
  expect(told(sentinels(sentinel('a:1'), sentinel('b:1'), mute))).toEqual([]);
  const silent = ['localhost:1', '127.0.0.1:1'].map((where) => ({ where, kind: 'sentinel', why: 'away' }) as const);
  expect(told({ ...sentinels(sentinel('a:1'), sentinel('b:1')), silent })).toEqual(
    Array(2).fill('error sentinel-silent'),
  );
});

test('what is advised of memory leaves head-room, and lets nothing be refused or evicted', () => {
  const adviceFor = (used: number, limit: number, total = 1000): readonly [told: string[], advice: number] => {
    const mib = { used_memory: used, maxmemory: limit, total_system_memory: total };
    const info = Object.fromEntries(Object.entries(mib).map(([name, value]) => [name, String(value * MIB)]));
    const seen = ofNode(info);
    return [told(seen), Number(/^CONFIG SET maxmemory (\d+)mb/.exec(diagnose(seen)[0]?.fix ?? '')?.[1])];
  };
  for (const used of [1, 100, 500, 590])
    for (const limit of [0, used * 1.1, 2000]) {
      const [, advice] = adviceFor(used, limit);
      expect([used, limit, advice > used && advice <= 800]).toEqual([used, limit, true]);
      expect([used, limit, adviceFor(used, advice)[0]]).toEqual([used, limit, []]);
    }
  // What there is no room for on this machine no command makes.
  for (const limit of [0, 800, 2000]) expect(adviceFor(700, limit)[1]).toBeNaN();
});

test('who may not see the slots is not told that there are none', () => {
  expect(told(cluster([]))).toEqual([]);
});

test('a name is written as redis-cli reads it', () => {
  expect(['shop', "o'brien", 'a"b', 'a\\nb', 'a\u0007b', 'ü', 'a\u202eb'].map(argument)).toEqual([
    ...["'shop'", `"o'brien"`, '"a\\"b"', '"a\\\\nb"', '"a\\x07b"', "'ü'", '"a\\xe2\\x80\\xaeb"'],
  ]);
});

test('two views of a cluster that differ are told', () => {
  const view = { where: '10.0.0.1:6379', info: { cluster_state: 'ok' }, nodes: three };
  const other = { ...view, where: '10.0.0.2:6379', info: { cluster_state: 'fail' } };
  expect(told(cluster(three, {}, { cluster: [view, other] }))).toEqual(['error cluster-split']);
});

test('before Redis 7.2 a consumer without work is not taken for one that is gone', () => {
  expect(told(ofGroup({ consumers: gone }))).toEqual([]);
  expect(told(ofGroup({ consumers: gone, pending: 1 }))).toEqual([]);
});

test('what a server does not tell is not held against it', () => {
  const bare = { ...node('10.0.0.1:6379'), info: {}, config: {} };
  expect(told(facts({ nodes: [bare] }))).toEqual([]);
  expect(lossBound(facts({ nodes: [bare] }))).toMatch(/unknown/);
});

test('of many findings of a kind a few are told, and how many more there are', () => {
  const streams = Array.from({ length: 12 }, (_, n) => stream(`t${n}`, { groups: [group({ stuck: 1 })] }));
  const seen = ofStreams(...streams);
  const report = textReport(seen, diagnose(seen), lossBound(seen));
  expect(report.match(/entries-stuck {2}t/g)).toHaveLength(5);
  expect(report).toContain('… and 7 more of entries-stuck');
  expect(report).toContain('12 error, 0 warning, 0 info');
});

test.each<[what: string, seen: Facts, words: readonly RegExp[]]>([
  ['everysec', facts(), [/Redis alone crashes, nothing/, /last second, two when the disk is slow/]],
  ['always', ofNode({}, { appendfsync: 'always' }), [/nothing that was confirmed \(appendfsync always\)/]],
  ['no disk', ofNode({ aof_enabled: '0' }), [/If Redis crashes, this is lost: everything/]],
  ['snapshots', ofNode({ aof_enabled: '0' }, { save: '60 1' }), [/since the last snapshot/]],
  ['a bound', facts(), [/at most about 11 s of events \(min-replicas-max-lag 10\)/, /n at most 1 here/]],
  ['no bound', ofNode({}, { 'min-replicas-to-write': '0' }), [/there is no bound/]],
  ['one replica', ofNode({ connected_slaves: '1' }), [/needs two replicas.*there is one: it is refused/]],
  ['no replica', ofNode({ connected_slaves: '0' }), [/no failover/, /there is none: it is refused/]],
  ['a cluster', cluster(three), [/A failover loses/, /of the masters this is about/i]],
  ['nobody', facts({ nodes: [] }), [/unknown/]],
])('what can be lost is said in words: %s', (_, seen, words) => {
  for (const word of words) expect(lossBound(seen)).toMatch(word);
});

test('a line of CLUSTER NODES is read, whatever the version', () => {
  const own = { host: 'h', port: 7000 };
  const line = 'a1 :7000@17000,name myself,master - 0 1 2 connected 0-5 7 [93->-b2] [94-<-c3]';
  expect(clusterNodeOf(line, own)).toEqual({
    ...{ id: 'a1', where: 'h:7000', flags: ['myself', 'master'], master: undefined },
    ...{
      slots: [
        [0, 5],
        [7, 7],
      ],
      open: ['93->-b2', '94-<-c3'],
    },
  });
  expect(clusterNodeOf('b2 ::1:7001@17001 slave,fail a1 0 1 2 connected', own)).toMatchObject({
    ...{ where: '::1:7001', flags: ['slave', 'fail'], master: 'a1', slots: [] },
  });
});

test('a slot is that of the hash tag', () => {
  expect(slotOf('123456789')).toBe(12_739);
  expect(slotOf('events:{user1000}.x')).toBe(slotOf('user1000'));
  expect(slotOf('{}a')).not.toBe(slotOf(''));
});
