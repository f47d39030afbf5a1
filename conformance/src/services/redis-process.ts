import type { RedisAddress } from './redis-address.ts';
import { redisCommand } from './redis-command.ts';
import { ServerProcess } from './server-process.ts';

const PROBE_DEADLINE_MS = 1_000;

/** A `redis-server`, not yet started, that will listen at `address`. `args` are given its directory. */
export const redisProcess = (
  command: string,
  address: RedisAddress,
  args: (directory: string) => readonly string[],
): ServerProcess =>
  new ServerProcess({
    name: 'redis-server',
    command,
    args,
    async ready(pid) {
      await redisCommand(address, ['PING'], PROBE_DEADLINE_MS);
      // Another server may have taken the port a moment before ours.
      return String(await redisCommand(address, ['INFO', 'server'], PROBE_DEADLINE_MS)).includes(`process_id:${pid}\r`);
    },
  });
