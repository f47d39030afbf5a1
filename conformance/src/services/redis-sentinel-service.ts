import { untilNoComplaint } from './complaint.ts';
import type { RedisTls } from './redis-address.ts';
import type { RedisFleet, ReplicationControl } from './redis-fleet.ts';
import type { RedisNode } from './redis-node.ts';
import { MASTER_NAME } from './sentinel-config.ts';
import { agreedMaster, sentinelComplaint } from './sentinel-view.ts';

const READY_DEADLINE_MS = 60_000;
const MASTER_DEADLINE_MS = 30_000;

/** One master, its replicas and their sentinels, in the hands of a test. */
export interface RedisSentinelService extends ReplicationControl, AsyncDisposable {
  /** By which sentinels know the master: `mymaster`. */
  readonly name: string;
  readonly sentinels: readonly RedisNode[];
  /** Master and replicas. Who is who changes. */
  readonly nodes: readonly RedisNode[];
  /** What a client needs to speak TLS, when they were started with it. */
  readonly tls?: RedisTls;
  /**
   * The node that most of the answering sentinels call the master and that says so itself, as soon as there is one.
   * Rejects with `EVENTS_SERVICE_TIMEOUT` after `deadlineMs` (default 30 000).
   */
  master(deadlineMs?: number): Promise<RedisNode>;
  /** The other nodes. Rejects as {@link master} does. */
  replicas(): Promise<readonly RedisNode[]>;
  /**
   * Resolves in full health, also after a fault: all servers run, one of them is the master, the replicas have all that
   * it has, and every sentinel knows every server and sees a quorum. Rejects with `EVENTS_SERVICE_TIMEOUT`, naming what is
   * wrong, after `deadlineMs` (default 60 000).
   */
  ready(deadlineMs?: number): Promise<void>;
  /** Has the sentinels make another node the master; resolves with it. */
  failover(): Promise<RedisNode>;
  /** Ends all servers and removes their data. May be called more than once. */
  stop(): Promise<void>;
}

export const redisSentinelService = (
  fleet: RedisFleet,
  nodes: readonly RedisNode[],
  sentinels: readonly RedisNode[],
): RedisSentinelService => {
  const findMaster = async (deadlineMs: number, fits: (node: RedisNode) => boolean): Promise<RedisNode> => {
    let found: RedisNode | undefined;
    const complaint = async (): Promise<string | undefined> => {
      const master = await agreedMaster(nodes, sentinels);
      found = master && fits(master) ? master : undefined;
      return found ? undefined : 'the sentinels do not name one that says so too';
    };
    await untilNoComplaint('a master', complaint, deadlineMs);
    return found as RedisNode;
  };
  const master = (deadlineMs = MASTER_DEADLINE_MS): Promise<RedisNode> => findMaster(deadlineMs, () => true);
  const stop = (): Promise<void> => fleet.dispose();
  return {
    name: MASTER_NAME,
    sentinels,
    nodes,
    ...(fleet.tls && { tls: fleet.tls }),
    master,
    async replicas() {
      const leader = await master();
      return nodes.filter((node) => node !== leader);
    },
    ready: (deadlineMs = READY_DEADLINE_MS) =>
      untilNoComplaint(
        'full health of the sentinel set-up',
        async () => (fleet.replicationIsCut ? 'the replication is cut' : sentinelComplaint(nodes, sentinels)),
        deadlineMs,
      ),
    async failover() {
      const old = await master();
      const asked = await Promise.any(sentinels.map((each) => each.probe('PING').then(() => each)));
      await asked.cli('SENTINEL', 'FAILOVER', MASTER_NAME);
      return findMaster(MASTER_DEADLINE_MS, (node) => node !== old);
    },
    cutReplication: () => fleet.cutReplication(),
    healReplication: () => fleet.healReplication(),
    replicationDelay: (ms) => fleet.replicationDelay(ms),
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
