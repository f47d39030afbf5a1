import type { RedisNode } from './redis-node.ts';

/** What a data node says of itself by ROLE. */
interface ReplicationRole {
  readonly master: boolean;
  readonly offset: number;
  /** Of a replica: the port of its master, and whether it is in step with it. */
  readonly masterPort?: number;
  readonly connected?: boolean;
  /** Of a master: the ports of the replicas that are served. */
  readonly replicaPorts?: readonly number[];
}

/** Undefined where it does not answer. */
export const replicationRole = async (node: RedisNode): Promise<ReplicationRole | undefined> => {
  const reply = await node.probe('ROLE').catch(() => undefined);
  if (!Array.isArray(reply)) return undefined;
  if (reply[0] === 'master') {
    const replicas = reply[2] as readonly (readonly string[])[];
    return { master: true, offset: Number(reply[1]), replicaPorts: replicas.map(([, port]) => Number(port)) };
  }
  return {
    master: false,
    offset: Number(reply[4]),
    masterPort: Number(reply[2]),
    connected: reply[3] === 'connected',
  };
};

/** Why `replicas` do not follow `master` to the last byte; undefined when they do. */
export const replicationComplaint = async (
  master: RedisNode,
  replicas: readonly RedisNode[],
): Promise<string | undefined> => {
  const leader = await replicationRole(master);
  if (!leader?.master) return `${master.port} is no master`;
  for (const replica of replicas) {
    const role = await replicationRole(replica);
    if (role === undefined) return `${replica.port} does not answer`;
    if (role.masterPort !== master.port) return `${replica.port} does not follow ${master.port}`;
    if (!role.connected || !leader.replicaPorts?.includes(replica.port)) return `${replica.port} has no link up`;
    if (role.offset < leader.offset) return `${replica.port} is behind ${master.port}`;
  }
  return undefined;
};
