import { randomBytes } from 'node:crypto';
import { LOOPBACK, withFreePorts } from './free-port.ts';
import { writeConfig } from './redis-config.ts';
import { RedisFleet } from './redis-fleet.ts';
import { checkFleetOptions, type RedisFleetOptions, type RedisLogin } from './redis-fleet-options.ts';
import type { RedisNode } from './redis-node.ts';
import { type RedisSentinelService, redisSentinelService } from './redis-sentinel-service.ts';
import { redisServerCommand } from './redis-server-command.ts';
import { sentinelConfig, setSentinelPace } from './sentinel-config.ts';

export interface RedisSentinelOptions extends RedisFleetOptions {
  /** Default 2. */
  readonly replicas?: number;
  /** Default 3. */
  readonly sentinels?: number;
  /** How many sentinels have to agree that the master is down. Default 2. */
  readonly quorum?: number;
  /** Without an answer for so many milliseconds a server is down. Default 1000. */
  readonly downAfterMs?: number;
  /** In milliseconds. Twice as long sentinels wait before they try a failed failover again. Default 3000. */
  readonly failoverTimeoutMs?: number;
  /**
   * How often sentinels ping, in milliseconds. Default: a quarter of `downAfterMs`, from 300 to 1000. Redis itself pings once
   * a second, however small `downAfterMs` is: with 1000 each master that a sentinel has just heard of is in danger of being
   * taken for down before its first ping. With less than 200 a sentinel often finds no replica good enough to promote:
   * its news of it must not be older than five pings, and come once a second. Needs Redis 7.0; an older one keeps its pace.
   */
  readonly pingMs?: number;
  /**
   * How often sentinels greet one another and ask the servers how they are, in milliseconds. Default: Redis' own 2 s and
   * 10 s, with which an old master that comes back is a replica in 8 to 20 s. With less, sentinels also hear sooner of a
   * failover: take the default where an outage is measured. Needs Redis 7.0.
   */
  readonly gossipMs?: number;
  /** As whom sentinels log in to the data nodes. Default: as the user `default` with `password`. */
  readonly sentinelLogin?: RedisLogin;
  /** The password of the sentinels themselves. */
  readonly sentinelPassword?: string;
  /** ACL lines of the sentinels themselves, such as `'events on >secret +@all'`. */
  readonly sentinelUsers?: readonly string[];
}

/**
 * Starts one master, its replicas and their sentinels for a test, as `redis-server` processes on loopback that die with
 * the current process. Resolves when all are in full health. What is not persisted (`appendonly`) is gone when a master is
 * started again before it was replaced, as on any Redis.
 *
 * Rejects with `EVENTS_SERVICE_UNAVAILABLE` when there is no redis-server; with `EVENTS_SERVICE_FAILED` when one does not
 * come up, as with wrong `args`; with `EVENTS_SERVICE_UNSUPPORTED` for `proxied` together with `tls`.
 */
export const redisSentinel = async (options: RedisSentinelOptions = {}): Promise<RedisSentinelService> => {
  checkFleetOptions(options);
  const command = await redisServerCommand(options.sources);
  const { replicas = 2, sentinels = 3 } = options;
  const service = await withFreePorts(1 + replicas + sentinels, (ports) =>
    startOn(ports.slice(0, 1 + replicas), ports.slice(1 + replicas), command, options),
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
  dataPorts: readonly number[],
  sentinelPorts: readonly number[],
  command: string,
  options: RedisSentinelOptions,
): Promise<RedisSentinelService | undefined> => {
  const fleet = new RedisFleet(command, options);
  try {
    const nodes: RedisNode[] = [];
    for (const port of dataPorts) {
      const [master] = nodes;
      const follow = master ? ['--replicaof', LOOPBACK, String(master.port)] : [];
      nodes.push(await fleet.addDataNode(port, () => follow));
      // The master before the others, which would wait for a second when it is not there yet.
      if (nodes.length === 1 && !(await fleet.startUnlessTaken())) return undefined;
    }
    const sentinels = addSentinels(fleet, nodes, sentinelPorts, options);
    if (!(await fleet.startUnlessTaken())) return undefined;
    await Promise.all(sentinels.map(({ start }) => start()));
    return redisSentinelService(fleet, nodes, sentinels);
  } catch (error) {
    await fleet.dispose();
    throw error;
  }
};

const addSentinels = (
  fleet: RedisFleet,
  nodes: readonly RedisNode[],
  ports: readonly number[],
  options: RedisSentinelOptions,
): RedisNode[] => {
  const { sentinelPassword } = options;
  const identities = ports.map((port) => ({ port, id: randomBytes(20).toString('hex') }));
  const [masterPort = 0, ...replicaPorts] = nodes.map(({ port }) => port);
  return identities.map((self) =>
    fleet.addServer(
      self.port,
      sentinelPassword,
      (directory) => {
        const others = identities.filter((each) => each !== self);
        const listening = fleet.listening(self.port, directory);
        const lines = () => sentinelConfig({ listening, self, others, masterPort, replicaPorts }, options);
        return [writeConfig(directory, lines), '--sentinel'];
      },
      (sentinel) => setSentinelPace(sentinel, options),
    ),
  );
};
