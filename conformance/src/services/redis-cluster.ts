import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SLOTS } from './cluster-slot.ts';
import { LOOPBACK, withFreePorts } from './free-port.ts';
import { type ClusterNode, type RedisClusterService, redisClusterService } from './redis-cluster-service.ts';
import { RedisFleet } from './redis-fleet.ts';
import { checkFleetOptions, type RedisFleetOptions } from './redis-fleet-options.ts';
import { redisServerCommand } from './redis-server-command.ts';

const BUS_PORT_OFFSET = 10_000;
const NODE_TIMEOUT_MS = 1_000;

export interface RedisClusterOptions extends RedisFleetOptions {
  /** At least 3, so that the others are a majority when one is lost. Default 3. */
  readonly masters?: number;
  /** Default 1. */
  readonly replicasPerMaster?: number;
  /** Without an answer for so many milliseconds a node is down. Default 1000. */
  readonly nodeTimeoutMs?: number;
  /** Whether all refuse to serve while one slot has no owner. Default false: the slots that have one are served. */
  readonly requireFullCoverage?: boolean;
  /** Whether a replica goes over to a master that has lost its own. Default false: each stays with its shard. */
  readonly replicaMigration?: boolean;
}

interface ClusterPlan {
  readonly ids: readonly string[];
  readonly masters: number;
  /** The port that others reach each node by; 0 until it is known. */
  readonly ports: number[];
}

/** The file by which a node knows all others from the beginning, instead of meeting them one by one. */
const nodesFile = ({ ids, masters, ports }: ClusterPlan, busPorts: readonly number[], self: number): string => {
  const lines = ids.map((id, index) => {
    const shard = index % masters;
    const flags = `${index === self ? 'myself,' : ''}${index < masters ? 'master' : 'slave'}`;
    const first = Math.floor((shard * SLOTS) / masters);
    const last = Math.floor(((shard + 1) * SLOTS) / masters) - 1;
    return [
      `${id} ${LOOPBACK}:${ports[index]}@${busPorts[index]} ${flags}`,
      index < masters ? `- 0 0 ${shard + 1} connected ${first}-${last}` : `${ids[shard]} 0 0 ${shard + 1} connected`,
    ].join(' ');
  });
  return [...lines, `vars currentEpoch ${masters} lastVoteEpoch 0`, ''].join('\n');
};

/**
 * Starts a cluster for a test, as `redis-server` processes on loopback that die with the current process. Resolves when
 * it is in full health, which masters are two seconds after their start. What is not persisted (`appendonly`) is gone
 * when a master is started again before it was replaced, as on any Redis.
 *
 * Rejects with `EVENTS_SERVICE_UNAVAILABLE` when there is no redis-server; with `EVENTS_SERVICE_FAILED` when one does not
 * come up, as with wrong `args`; with `EVENTS_SERVICE_UNSUPPORTED` for `proxied` together with `tls`.
 */
export const redisCluster = async (options: RedisClusterOptions = {}): Promise<RedisClusterService> => {
  checkFleetOptions(options);
  const command = await redisServerCommand(options.sources);
  const { masters = 3, replicasPerMaster = 1 } = options;
  const service = await withFreePorts(masters * (1 + replicasPerMaster), (ports) =>
    startOn(ports, command, masters, replicasPerMaster, options),
  );
  try {
    await service.ready();
    return service;
  } catch (error) {
    await service.stop();
    throw error;
  }
};

const startOn = async (
  ports: readonly number[],
  command: string,
  masters: number,
  replicasPerMaster: number,
  options: RedisClusterOptions,
): Promise<RedisClusterService | undefined> => {
  const { nodeTimeoutMs = NODE_TIMEOUT_MS, requireFullCoverage = false, replicaMigration = false, tls } = options;
  const fleet = new RedisFleet(command, options);
  const busPorts = ports.map((port) => port + BUS_PORT_OFFSET);
  const ids = ports.map(() => randomBytes(20).toString('hex'));
  const plan: ClusterPlan = { ids, masters, ports: ports.map(() => 0) };
  const nodes: ClusterNode[] = [];
  try {
    for (const [index, port] of ports.entries()) {
      const id = ids[index] as string;
      const node = await fleet.addDataNode(port, (directory, announced) => {
        writeFileSync(join(directory, 'nodes.conf'), nodesFile(plan, busPorts, index));
        return [
          ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'],
          ...['--cluster-node-timeout', String(nodeTimeoutMs), '--cluster-announce-ip', LOOPBACK],
          ...(tls ? ['--tls-cluster', 'yes'] : ['--cluster-announce-port', String(announced)]),
          ...['--cluster-announce-bus-port', String(busPorts[index])],
          ...['--cluster-require-full-coverage', requireFullCoverage ? 'yes' : 'no'],
          ...['--cluster-allow-replica-migration', replicaMigration ? 'yes' : 'no'],
        ];
      });
      plan.ports[index] = node.port;
      nodes.push({ ...node, id });
    }
    if (!(await fleet.startUnlessTaken())) return undefined;
    return redisClusterService(fleet, nodes, replicasPerMaster, options.password);
  } catch (error) {
    await fleet.dispose();
    throw error;
  }
};
