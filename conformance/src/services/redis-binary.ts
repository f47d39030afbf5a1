import { findExecutable } from './executable.ts';
import { LOOPBACK, withFreePort } from './free-port.ts';
import type { RedisAddress } from './redis-address.ts';
import type { RedisAttempt } from './redis-attempt.ts';
import { redisCommand } from './redis-command.ts';
import { type RedisOptions, serverArguments } from './redis-options.ts';
import { ownRedisService, type RedisService } from './redis-service.ts';
import { ServerProcess } from './server-process.ts';

const PROBE_DEADLINE_MS = 1_000;

/** Starts `redis-server` from the PATH. Rejects with `EVENTS_SERVICE_FAILED` when it ends at once, as with wrong `args`. */
export const redisFromBinary = async (options: RedisOptions): Promise<RedisAttempt> => {
  const command = findExecutable('redis-server');
  if (command === undefined) return { reason: 'there is no redis-server on the PATH' };
  return { service: await withFreePort((port) => startOn(port, command, options)) };
};

const startOn = async (port: number, command: string, options: RedisOptions): Promise<RedisService | undefined> => {
  const { password } = options;
  const address: RedisAddress = { host: LOOPBACK, port, ...(password !== undefined && { password }) };
  const server = new ServerProcess({
    name: 'redis-server',
    command,
    args: (directory) => [
      ...['--bind', LOOPBACK, '--port', String(port), '--dir', directory, '--daemonize', 'no'],
      ...serverArguments(options),
    ],
    async ready(pid) {
      await redisCommand(address, ['PING'], PROBE_DEADLINE_MS);
      // Another server may have taken the port a moment before ours.
      return String(await redisCommand(address, ['INFO', 'server'], PROBE_DEADLINE_MS)).includes(`process_id:${pid}\r`);
    },
  });
  if (!(await server.startUnlessTaken())) return undefined;
  return ownRedisService(address, 'binary', server);
};
