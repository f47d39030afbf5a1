import { EventsError } from '@logistically/events-kernel';
import { postgresFromBinary } from './postgres-binary.ts';
import { postgresFromContainer } from './postgres-container.ts';
import { postgresFromEnvironment } from './postgres-environment.ts';
import { postgresFromPackage } from './postgres-package.ts';
import type { PostgresAttempt, PostgresService } from './postgres-service.ts';

const attempts = {
  environment: postgresFromEnvironment,
  container: postgresFromContainer,
  binary: postgresFromBinary,
  package: postgresFromPackage,
} satisfies Record<string, () => Promise<PostgresAttempt>>;

/** Where a PostgreSQL server can come from. */
export type PostgresSource = keyof typeof attempts;

export interface PostgresOptions {
  /** The sources to try, in this order. Default: environment, container, binary, package. */
  readonly sources?: readonly PostgresSource[];
}

/**
 * Gives a test a real PostgreSQL server: the one that `POSTGRES_URL` names, else one of its own from a Docker engine (by
 * Testcontainers), from the programs of this machine, or, for root on Debian and Ubuntu, from the distribution's package,
 * which is installed for it with a line that says so. A server of its own is the caller's alone, listens on loopback,
 * takes every user without a password, does not survive a crash of the machine, and dies with the process.
 *
 * Rejects with `EVENTS_SERVICE_UNAVAILABLE`, naming all that was tried, when there is none; with `EVENTS_SERVICE_FAILED`
 * when `postgres` does not come up.
 */
export const postgres = async ({ sources }: PostgresOptions = {}): Promise<PostgresService> => {
  const tried: string[] = [];
  for (const source of sources ?? (Object.keys(attempts) as PostgresSource[])) {
    const attempt = await attempts[source]();
    if ('service' in attempt) return attempt.service;
    tried.push(`${source}: ${attempt.reason}`);
  }
  throw new EventsError(
    'EVENTS_SERVICE_UNAVAILABLE',
    `No PostgreSQL server can be had, so nothing was tested. Tried ${tried.join('; ')}. Set POSTGRES_URL, start Docker (and install the package testcontainers), or install postgresql.`,
  );
};
