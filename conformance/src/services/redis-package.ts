import { findExecutable } from './executable.ts';
import { installPackage, type PackageInstallation } from './package-installation.ts';
import type { RedisAttempt } from './redis-attempt.ts';
import { redisFromBinary } from './redis-binary.ts';
import type { RedisOptions } from './redis-options.ts';

const redisPackage = {
  title: 'Redis',
  name: 'redis-server',
  service: 'redis-server',
  there: 'command -v redis-server >/dev/null',
  isThere: (path: string) => findExecutable('redis-server', path) !== undefined,
};

/** Installs the package redis-server on Debian or Ubuntu. Returns why it could not be, undefined when it is there. */
export const installRedisPackage = (system?: PackageInstallation): Promise<string | undefined> =>
  installPackage(redisPackage, system);

/** Starts `redis-server` from the distribution's package. */
export const redisFromPackage = async (options: RedisOptions): Promise<RedisAttempt> => {
  const reason = await installRedisPackage();
  return reason === undefined ? redisFromBinary(options) : { reason };
};
