import { untilNoComplaint } from '../../src/services/complaint.ts';
import {
  type RedisClusterOptions,
  type RedisClusterService,
  type RedisNode,
  type RedisSentinelOptions,
  type RedisSentinelService,
  type ReplicationControl,
  redisCluster,
  redisSentinel,
} from '../../src/services/index.ts';
import { replicationComplaint, replicationRole } from '../../src/services/replication-role.ts';
import { disagreement } from '../../src/services/sentinel-view.ts';
import type { Place } from './bus.ts';
import { PARTITIONS } from './load.ts';

/** The servers of a set-up, whatever they are, as a scenario sees them. */
export interface Ground {
  readonly place: Place;
  /** Of all events: its topic is spread over all masters. */
  readonly type: string;
  /** Those that keep data. */
  readonly nodes: readonly RedisNode[];
  readonly sentinels: readonly RedisNode[];
  readonly replication: ReplicationControl;
  readonly cluster?: RedisClusterService;
  readonly masters: () => Promise<readonly RedisNode[]>;
  readonly replicasOf: (master: RedisNode) => Promise<readonly RedisNode[]>;
  /** The master that keeps a partition. */
  readonly ownerOf: (partition: number) => Promise<RedisNode>;
  /** Resolves when all nodes that keep data run, and every replica has all that its master has. */
  readonly inStep: () => Promise<void>;
  /** Brings back whatever a fault took down; resolves in full health. */
  readonly heal: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const DEADLINE_MS = 60_000;
/** Sentinels' own, in ms: how often they ask the servers, and how often they greet one another. */
const GOSSIP = { info: 10_000, publish: 2000 };
/** The same while a set-up is healed, which would else take 20 s. Never while anything is measured. */
const HASTY_GOSSIP = { info: 100, publish: 100 };

const PERSISTENT = { appendonly: true, appendfsync: 'everysec' } as const;

const revive = async (nodes: readonly RedisNode[]): Promise<void> => {
  await Promise.all(
    nodes.map(async (node) => {
      await node.thaw();
      await node.start();
    }),
  );
};

const gossip = async (sentinels: readonly RedisNode[], { info, publish }: typeof GOSSIP): Promise<void> => {
  const periods = ['info-period', String(info), 'publish-period', String(publish)];
  await Promise.all(sentinels.map(({ cli }) => cli('SENTINEL', 'DEBUG', ...periods)));
};

/** Of those that were given everything anew and write it down: until they have, they refuse to end in good order. */
const writingComplaint = async (nodes: readonly RedisNode[]): Promise<string | undefined> => {
  for (const node of nodes) {
    const info = String(await node.probe('INFO', 'persistence').catch(() => ''));
    if (!info.includes('aof_rewrite_in_progress:0')) return `${node.port} writes its append-only file`;
  }
  return undefined;
};

/** Why not all of them follow one master to the last byte. */
const followingComplaint = async (nodes: readonly RedisNode[]): Promise<string | undefined> => {
  const roles = await Promise.all(nodes.map(replicationRole));
  const masters = nodes.filter((_, index) => roles[index]?.master);
  const [master] = masters;
  if (!master || masters.length > 1) return `there are ${masters.length} masters`;
  const others = nodes.filter((node) => node !== master);
  // Under load a replica is always a moment behind what its master said before.
  const complaint = await replicationComplaint(master, others);
  return complaint?.includes('is behind') ? undefined : complaint;
};

export const openSentinelGround = async (options: RedisSentinelOptions = {}): Promise<Ground> => {
  const service: RedisSentinelService = await redisSentinel({ ...PERSISTENT, ...options });
  const { nodes, sentinels } = service;
  return {
    place: { sentinels: sentinels.map(({ host, port }) => ({ host, port })) },
    type: 'load.tick',
    nodes,
    sentinels,
    replication: service,
    masters: async () => [await service.master()],
    replicasOf: async (master) => nodes.filter((node) => node !== master),
    ownerOf: () => service.master(),
    inStep: () =>
      untilNoComplaint(
        'replicas in step',
        async () => (await followingComplaint(nodes)) ?? (await writingComplaint(nodes)),
        DEADLINE_MS,
      ),
    async heal() {
      await revive(sentinels);
      // In haste, one that has not heard of the new master yet would make it a replica of the old one, as soon as that is back.
      await untilNoComplaint('sentinels of one mind', () => disagreement(sentinels), DEADLINE_MS);
      await revive(nodes);
      if (options.proxied) service.healReplication();
      await gossip(sentinels, HASTY_GOSSIP);
      await service.ready();
      await gossip(sentinels, GOSSIP);
    },
    stop: service.stop,
  };
};

/** The first type whose topic has as many partitions on each master as on any other. */
const spreadType = async (service: RedisClusterService): Promise<string> => {
  const masters = await service.masters();
  for (let attempt = 0; ; attempt++) {
    const entity = `load${attempt}`;
    const counts = new Map<RedisNode, number>();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const owner = await service.slotOwner(service.slotOf(`{${entity}-events:${partition}}`));
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    if (masters.every((master) => counts.get(master) === PARTITIONS / masters.length)) return `${entity}.tick`;
  }
};

export const openClusterGround = async (options: RedisClusterOptions = {}): Promise<Ground> => {
  const service = await redisCluster({ ...PERSISTENT, ...options });
  const { nodes } = service;
  const type = await spreadType(service);
  return {
    place: { clusterNodes: nodes.map(({ host, port }) => ({ host, port })) },
    type,
    nodes,
    sentinels: [],
    replication: service,
    cluster: service,
    masters: service.masters,
    replicasOf: async (master) => {
      const node = nodes.find((each) => each === master);
      return node ? service.replicasOf(node) : [];
    },
    ownerOf: (partition) => service.slotOwner(slotOfPartition(service, type, partition)),
    async inStep() {
      await service.ready();
      await untilNoComplaint('append-only files are written', () => writingComplaint(nodes), DEADLINE_MS);
    },
    async heal() {
      await revive(nodes);
      if (options.proxied) service.healReplication();
      await service.ready();
    },
    stop: service.stop,
  };
};

export const topicOf = (type: string): string => `${type.split('.')[0]}-events`;

export const streamOf = (prefix: string, type: string, partition: number): string =>
  `${prefix}:{${topicOf(type)}:${partition}}:${topicOf(type)}`;

export const slotOfPartition = (cluster: RedisClusterService, type: string, partition: number): number =>
  cluster.slotOf(streamOf('', type, partition));
