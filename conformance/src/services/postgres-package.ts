import { installPackage } from './package-installation.ts';
import { findPostgres, postgresFromBinary } from './postgres-binary.ts';
import type { PostgresAttempt } from './postgres-service.ts';

/** Starts `postgres` from the distribution's package. */
export const postgresFromPackage = async (): Promise<PostgresAttempt> => {
  const reason = await installPackage({
    title: 'PostgreSQL',
    name: 'postgresql',
    service: 'postgresql',
    there: 'ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1',
    isThere: (path) => findPostgres(path) !== undefined,
  });
  return reason === undefined ? postgresFromBinary() : { reason };
};
