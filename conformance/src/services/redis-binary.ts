import { findExecutable } from './executable.ts';
import { LOOPBACK, withFreePort } from './free-port.ts';
import type { RedisAddress } from './redis-address.ts';
import type { RedisAttempt } from './redis-attempt.ts';
import { type RedisOptions, serverArguments } from './redis-options.ts';
import { redisProcess } from './redis-process.ts';
import { ownRedisService, type RedisService } from './redis-service.ts';
import { tlsSetting } from './redis-tls.ts';

/** Starts `redis-server` from the PATH. Rejects with `EVENTS_SERVICE_FAILED` when it ends at once, as with wrong `args`. */
export const redisFromBinary = async (options: RedisOptions): Promise<RedisAttempt> => {
  const command = findExecutable('redis-server');
  if (command === undefined) return { reason: 'there is no redis-server on the PATH' };
  return { service: await withFreePort((port) => startOn(port, command, options)) };
};

const startOn = async (port: number, command: string, options: RedisOptions): Promise<RedisService | undefined> => {
  const { password } = options;
  const tls = tlsSetting(options.tls);
  const address: RedisAddress = {
    host: LOOPBACK,
    port,
    ...(password !== undefined && { password }),
    ...(tls && { tls: tls.observer }),
  };
  const server = redisProcess(command, address, (directory) => [
    ...['--bind', LOOPBACK, ...(tls?.args(port) ?? ['--port', String(port)]), '--dir', directory, '--daemonize', 'no'],
    ...serverArguments(options),
  ]);
  try {
    if (!(await server.startUnlessTaken())) {
      await tls?.dispose();
      return undefined;
    }
  } catch (error) {
    await tls?.dispose();
    throw error;
  }
  return ownRedisService(address, 'binary', server, tls);
};
