import type {
  ClusterNode,
  Facts,
  Fields,
  GroupFacts,
  NodeFacts,
  SentinelFacts,
  StreamFacts,
} from '../src/doctor/facts.ts';

const MIB = 1_048_576;

/** A master with two replicas that there is nothing to say against. */
export const node = (where: string, info: Fields = {}, config: Fields = {}): NodeFacts => ({
  where,
  role: info.role === 'slave' ? 'replica' : 'master',
  info: {
    redis_version: '7.0.15',
    role: 'master',
    used_memory: String(100 * MIB),
    total_system_memory: String(4096 * MIB),
    maxmemory: String(1024 * MIB),
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
    aof_last_write_status: 'ok',
    aof_last_bgrewrite_status: 'ok',
    rdb_last_bgsave_status: 'ok',
    connected_clients: '10',
    connected_slaves: '2',
    slave0: 'ip=10.0.0.2,port=6379,state=online,offset=1000,lag=0',
    slave1: 'ip=10.0.0.3,port=6379,state=online,offset=1000,lag=0',
    master_repl_offset: '1000',
    ...info,
  },
  config: {
    appendfsync: 'everysec',
    save: '',
    maxclients: '10000',
    timeout: '0',
    'min-replicas-to-write': '1',
    'min-replicas-max-lag': '10',
    'client-output-buffer-limit': 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
    'proto-max-bulk-len': '536870912',
    'cluster-require-full-coverage': 'no',
    'cluster-node-timeout': '5000',
    ...config,
  },
  isLoopback: false,
  isTls: true,
  isOpen: false,
});

export const sentinel = (where: string, fields: Fields = {}, noQuorum?: string): SentinelFacts => ({
  where,
  runId: where,
  master: `${fields.ip ?? '10.0.0.1'}:6379`,
  fields: {
    name: 'mymaster',
    ip: '10.0.0.1',
    port: '6379',
    flags: 'master',
    'num-other-sentinels': '2',
    quorum: '2',
    'down-after-milliseconds': '5000',
    ...fields,
  },
  noQuorum,
  isLoopback: false,
  isOpen: false,
});

export const clusterNode = (index: number, more: Partial<ClusterNode> = {}): ClusterNode => ({
  id: `id${index}`,
  where: `10.0.0.${index}:6379`,
  flags: index === 1 ? ['myself', 'master'] : ['master'],
  master: undefined,
  slots: [[Math.floor(((index - 1) * 16_384) / 3), Math.floor((index * 16_384) / 3) - 1]],
  open: [],
  ...more,
});

export const group = (more: Partial<GroupFacts> = {}): GroupFacts => ({
  name: 'shop',
  pending: 0,
  lag: 0,
  consumers: [{ name: 'c', pending: 0, idleMs: 100 }],
  stuck: 0,
  isStuckCut: false,
  overdue: 0,
  ...more,
});

export const stream = (topic: string, more: Partial<StreamFacts> = {}): StreamFacts => ({
  topic,
  partition: 0,
  key: `events:{${topic}:0}:${topic}`,
  slot: 1,
  where: '10.0.0.1:6379',
  entries: 10,
  bytes: 1000,
  groups: [group()],
  overdue: 0,
  ...more,
});

type Lacks = NonNullable<Facts['user']['lacks']>;

/** What a user lacks of each role, on the keys of topics and on those of the store. */
export const lacks = (
  streams: Partial<Record<keyof Lacks, readonly string[]>>,
  store: Partial<Record<keyof Lacks, readonly string[]>> = {},
): Lacks => {
  const lack = (role: keyof Lacks) => ({ streams: streams[role] ?? [], store: store[role] ?? [] });
  return { publisher: lack('publisher'), consumer: lack('consumer'), operator: lack('operator') };
};

/** Facts that say nothing. */
export const facts = (more: Partial<Facts> = {}): Facts => ({
  topology: 'single',
  prefix: 'events',
  database: 0,
  idleMs: 300_000,
  nodes: [node('10.0.0.1:6379')],
  silent: [],
  sentinels: [],
  cluster: [],
  user: { name: 'shop', mayDoAll: false, lacks: lacks({ operator: ['xdel'] }), refused: [] },
  sentinelRefused: [],
  workload: { topics: 1, isCut: false, unseen: 0, gone: [], streams: [stream('order-events')], foreign: [] },
  ...more,
});
