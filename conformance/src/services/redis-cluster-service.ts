import { EventsError } from '@logistically/events-kernel';
import { clusterComplaint } from './cluster-health.ts';
import { SLOTS, slotOf } from './cluster-slot.ts';
import { type ClusterMember, type ClusterView, isMaster, newestView, owns } from './cluster-view.ts';
import { untilNoComplaint } from './complaint.ts';
import type { RedisTls } from './redis-address.ts';
import type { RedisFleet, ReplicationControl } from './redis-fleet.ts';
import type { RedisNode } from './redis-node.ts';
import { replicationRole } from './replication-role.ts';
import { closeSlot, destinationOf, migrateKeys, openSlot } from './slot-migration.ts';

const READY_DEADLINE_MS = 60_000;
const FAILOVER_DEADLINE_MS = 30_000;
const FAILOVER_AGAIN_MS = 6000;

export interface ClusterNode extends RedisNode {
  readonly id: string;
}

/** A cluster in the hands of a test. Who is asked is who answers and has heard of the latest change. */
export interface RedisClusterService extends ReplicationControl, AsyncDisposable {
  /** At first the masters, in the order of their slots, and then their replicas. Who is who changes. */
  readonly nodes: readonly ClusterNode[];
  /** What a client needs to speak TLS, when they were started with it. */
  readonly tls?: RedisTls;
  /** The masters that the cluster does not count as failed. */
  masters(): Promise<readonly ClusterNode[]>;
  replicasOf(master: ClusterNode): Promise<readonly ClusterNode[]>;
  /** The master that serves a slot, failed or not. */
  slotOwner(slot: number): Promise<ClusterNode>;
  /** The slot of a key, by its hash tag where it has one. */
  slotOf(key: string): number;
  /** Begins to move a slot: keys that its owner has not got are asked for at `to` (`ASK`). */
  openSlot(slot: number, to: ClusterNode): Promise<void>;
  /** Moves the keys of an open slot, at most `limit` (default: all), and resolves with how many those were. */
  migrateKeys(slot: number, limit?: number): Promise<number>;
  /** Ends the move: `to` owns the slot (`MOVED`). */
  closeSlot(slot: number, to: ClusterNode): Promise<void>;
  /** All three, one after the other. */
  moveSlot(slot: number, to: ClusterNode): Promise<void>;
  /** Moves slots one by one: those that are named, or so many of the lowest that `from` owns. */
  reshard(slots: number | readonly number[], from: ClusterNode, to: ClusterNode): Promise<void>;
  /** Has a replica take over from its master. `FORCE` and `TAKEOVER` do without the master, the latter also without a vote. */
  failover(replica: ClusterNode, how?: 'FORCE' | 'TAKEOVER'): Promise<void>;
  /**
   * Resolves in full health, also after a fault: all nodes run and see the same, every slot has an owner, and every
   * master has its replicas, which have all that it has. Slots may be half-way. Rejects with `EVENTS_SERVICE_TIMEOUT`,
   * naming what is wrong, after `deadlineMs` (default 60 000).
   */
  ready(deadlineMs?: number): Promise<void>;
  /** Ends all servers and removes their data. May be called more than once. */
  stop(): Promise<void>;
}

const failed = (what: string): EventsError => new EventsError('EVENTS_SERVICE_FAILED', `${what}.`);

export const redisClusterService = (
  fleet: RedisFleet,
  nodes: readonly ClusterNode[],
  replicasPerMaster: number,
  password: string | undefined,
): RedisClusterService => {
  const view = async (): Promise<ClusterView> => {
    const newest = await newestView(nodes);
    if (newest === undefined) throw failed('No node of the cluster answers. Start one');
    return newest;
  };
  const nodesOf = (members: readonly ClusterMember[]): ClusterNode[] =>
    nodes.filter(({ id }) => members.some((member) => member.id === id));
  const masters = async (): Promise<ClusterNode[]> => nodesOf((await view()).filter(isMaster));

  const slotOwner = async (slot: number): Promise<ClusterNode> => {
    const owner = (await view()).find((member) => member.flags.includes('master') && owns(member, slot));
    const node = nodes.find(({ id }) => id === owner?.id);
    if (node === undefined) throw failed(`Nobody owns the slot ${slot}`);
    return node;
  };
  const migrate = async (slot: number, from: ClusterNode, limit: number): Promise<number> => {
    const destination = await destinationOf(slot, from);
    const to = nodes.find(({ id }) => id === destination);
    if (to === undefined) throw failed(`The slot ${slot} is not on the move. Open it first`);
    return migrateKeys(slot, from, to, limit, password);
  };
  const close = async (slot: number, from: ClusterNode, to: ClusterNode): Promise<void> =>
    closeSlot(
      slot,
      from,
      to,
      (await masters()).filter((node) => node.id !== from.id && node.id !== to.id),
    );
  const move = async (slot: number, from: ClusterNode, to: ClusterNode): Promise<void> => {
    await openSlot(slot, from, to);
    await migrate(slot, from, Number.POSITIVE_INFINITY);
    await close(slot, from, to);
  };
  const lowest = async (count: number, { id }: ClusterNode): Promise<number[]> => {
    const member = (await view()).find((each) => each.id === id);
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => member && owns(member, slot));
    return slots.slice(0, count);
  };
  const stop = (): Promise<void> => fleet.dispose();

  return {
    nodes,
    ...(fleet.tls && { tls: fleet.tls }),
    masters,
    replicasOf: async ({ id }) => nodesOf((await view()).filter(({ masterId }) => masterId === id)),
    slotOwner,
    slotOf,
    openSlot: async (slot, to) => openSlot(slot, await slotOwner(slot), to),
    migrateKeys: async (slot, limit = Number.POSITIVE_INFINITY) => migrate(slot, await slotOwner(slot), limit),
    closeSlot: async (slot, to) => close(slot, await slotOwner(slot), to),
    moveSlot: async (slot, to) => move(slot, await slotOwner(slot), to),
    async reshard(slots, from, to) {
      for (const slot of typeof slots === 'number' ? await lowest(slots, from) : slots) await move(slot, from, to);
    },
    async failover(replica, how) {
      let askedAt = 0;
      const complaint = async (): Promise<string | undefined> => {
        if ((await replicationRole(replica))?.master) return undefined;
        // Masters vote for a shard once in two node-timeouts; who gets no vote gives up after 5 s.
        if (Date.now() - askedAt > FAILOVER_AGAIN_MS) {
          askedAt = Date.now();
          await replica.cli('CLUSTER', 'FAILOVER', ...(how === undefined ? [] : [how]));
        }
        return 'it is a replica';
      };
      await untilNoComplaint(`${replica.port} takes over`, complaint, FAILOVER_DEADLINE_MS);
    },
    ready: (deadlineMs = READY_DEADLINE_MS) =>
      untilNoComplaint(
        'full health of the cluster',
        async () => (fleet.replicationIsCut ? 'the replication is cut' : clusterComplaint(nodes, replicasPerMaster)),
        deadlineMs,
      ),
    cutReplication: () => fleet.cutReplication(),
    healReplication: () => fleet.healReplication(),
    replicationDelay: (ms) => fleet.replicationDelay(ms),
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
