import { formatRedisUrl, type RedisAddress } from './redis-address.ts';
import { redisCommand } from './redis-command.ts';
import { ownRedisService, type RedisService } from './redis-service.ts';
import type { ReplicationProxy } from './replication-proxy.ts';
import type { ServerProcess } from './server-process.ts';

const PROBE_DEADLINE_MS = 1_000;

/**
 * One server of a sentinel set-up or a cluster. `host`, `port` and `url` are those that clients use; `cli` and `cpu` go
 * to the server itself, past its proxy.
 */
export interface RedisNode
  extends Pick<
    RedisService,
    'url' | 'host' | 'port' | 'cli' | 'cpu' | 'restart' | 'kill' | 'start' | 'freeze' | 'thaw'
  > {
  /** As `cli`, but gives up after a second: for asking a server that may be frozen. */
  probe(...args: string[]): Promise<unknown>;
  /** The proxy that stands before it, where there is one. */
  readonly network?: ReplicationProxy;
}

/** The node that a process is; `started` runs whenever the process has come up again. */
export const redisNode = (
  address: RedisAddress,
  process: ServerProcess,
  network?: ReplicationProxy,
  started?: (node: Pick<RedisNode, 'cli'>) => Promise<void>,
): RedisNode => {
  const { cli, cpu, kill, freeze, thaw } = ownRedisService(address, 'binary', process);
  const { host, port } = network ?? address;
  const start = async (): Promise<void> => {
    await process.start();
    await started?.({ cli });
  };
  return {
    url: formatRedisUrl({ ...address, host, port }),
    host,
    port,
    cli,
    cpu,
    probe: (...args) => redisCommand(address, args, PROBE_DEADLINE_MS),
    async restart() {
      await process.end();
      await start();
    },
    kill,
    start,
    freeze,
    thaw,
    ...(network && { network }),
  };
};
