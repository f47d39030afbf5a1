import { setTimeout as sleep } from 'node:timers/promises';
import { dockerUnavailable } from './docker-engine.ts';
import { type PostgresAttempt, postgresService } from './postgres-service.ts';

const POSTGRES_PORT = 5432;
const IMAGE = 'postgres:15';
/** Pulling the image included. */
const CREATE_DEADLINE_MS = 120_000;
const READY_DEADLINE_MS = 30_000;

/** Starts PostgreSQL in a container, by Testcontainers, which also removes it should the current process die. */
export const postgresFromContainer = async (): Promise<PostgresAttempt> => {
  const unavailable = await dockerUnavailable();
  if (unavailable !== undefined) return { reason: unavailable };
  try {
    const { GenericContainer, Wait } = await import('testcontainers');
    const starting = new GenericContainer(IMAGE)
      .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: 'trust' })
      .withCommand(['postgres', '-c', 'fsync=off'])
      .withExposedPorts(POSTGRES_PORT)
      // Twice: the first time it only listens to the script that prepares it.
      .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
      .withStartupTimeout(READY_DEADLINE_MS)
      .start();
    const started = await Promise.race([starting, sleep(CREATE_DEADLINE_MS, undefined, { ref: false })]);
    if (started === undefined) {
      starting.then((late) => late.stop()).catch(() => {});
      throw new Error(`not up after ${CREATE_DEADLINE_MS / 1000} s, is the registry reachable?`);
    }
    const url = `postgres://postgres@${started.getHost()}:${started.getMappedPort(POSTGRES_PORT)}/postgres`;
    return { service: postgresService(url, 'container', async () => void (await started.stop())) };
  } catch (error) {
    return { reason: `the container did not start (${error instanceof Error ? error.message : String(error)})` };
  }
};
