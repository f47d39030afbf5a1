import { LOOPBACK } from './free-port.ts';
import { configLines, quoted } from './redis-config.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisSentinelOptions } from './redis-sentinel.ts';

export const MASTER_NAME = 'mymaster';
const DEFAULT_QUORUM = 2;
const DOWN_AFTER_MS = 1_000;
const FAILOVER_TIMEOUT_MS = 3_000;
/**
 * While the master is down a sentinel asks replicas once a second how they are, and promotes none that told it longer ago
 * than five pings: pinging more often than this it would find no good replica most of the time (sentinelSelectSlave).
 */
const SHORTEST_PING_MS = 300;
const LONGEST_PING_MS = 1_000;

interface SentinelIdentity {
  readonly id: string;
  readonly port: number;
}

interface SentinelKnowledge {
  /** Arguments of `redis-server` that say where it listens. */
  readonly listening: readonly string[];
  readonly self: SentinelIdentity;
  readonly others: readonly SentinelIdentity[];
  readonly masterPort: number;
  readonly replicaPorts: readonly number[];
}

/** The configuration file that a sentinel begins with and then keeps itself. */
export const sentinelConfig = (knowledge: SentinelKnowledge, options: RedisSentinelOptions): string[] => {
  const { listening, self, others, masterPort, replicaPorts } = knowledge;
  const { quorum = DEFAULT_QUORUM, downAfterMs = DOWN_AFTER_MS, failoverTimeoutMs = FAILOVER_TIMEOUT_MS } = options;
  const { password, sentinelLogin, sentinelPassword, sentinelUsers = [] } = options;
  const dataPassword = sentinelLogin?.password ?? password;
  return [
    ...configLines(listening),
    `sentinel myid ${self.id}`,
    `sentinel monitor ${MASTER_NAME} ${LOOPBACK} ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
    `sentinel failover-timeout ${MASTER_NAME} ${failoverTimeoutMs}`,
    `sentinel parallel-syncs ${MASTER_NAME} ${Math.max(1, replicaPorts.length)}`,
    ...(sentinelLogin ? [`sentinel auth-user ${MASTER_NAME} ${quoted(sentinelLogin.username)}`] : []),
    ...(dataPassword === undefined ? [] : [`sentinel auth-pass ${MASTER_NAME} ${quoted(dataPassword)}`]),
    ...(sentinelPassword === undefined ? [] : [`requirepass ${quoted(sentinelPassword)}`]),
    ...sentinelUsers.map((line) => `user ${line}`),
    // What they would tell one another in ten seconds.
    ...replicaPorts.map((port) => `sentinel known-replica ${MASTER_NAME} ${LOOPBACK} ${port}`),
    ...others.map(({ id, port }) => `sentinel known-sentinel ${MASTER_NAME} ${LOOPBACK} ${port} ${id}`),
  ];
};

/** How often a sentinel does what it does: nothing that its file could say. */
export const setSentinelPace = async (
  { cli }: Pick<RedisNode, 'cli'>,
  { downAfterMs = DOWN_AFTER_MS, pingMs, gossipMs }: RedisSentinelOptions,
): Promise<void> => {
  const ping = pingMs ?? Math.min(LONGEST_PING_MS, Math.max(SHORTEST_PING_MS, Math.floor(downAfterMs / 4)));
  const gossip = gossipMs === undefined ? [] : ['info-period', `${gossipMs}`, 'publish-period', `${gossipMs}`];
  try {
    await cli('SENTINEL', 'DEBUG', 'ping-period', String(ping), ...gossip);
  } catch (error) {
    // Redis 6.2 cannot. That matters only to who asked for it.
    if (pingMs !== undefined || gossipMs !== undefined) throw error;
  }
};
