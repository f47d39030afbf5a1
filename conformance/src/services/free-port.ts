import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { EventsError } from '@logistically/events-kernel';

export const LOOPBACK = '127.0.0.1';

// Below the range from which systems take the ports of outgoing connections, also after the 10 000 that a cluster node
// adds for its bus. Else a client that reconnects while the server is down could be given the server's own port.
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 22_000;
const ATTEMPTS = 20;

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  try {
    server.listen({ port, host: LOOPBACK, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
};

/**
 * Calls `use` with `count` free loopback ports until it returns something. It returns undefined when somebody else was
 * faster and took one of them. Rejects with `EVENTS_SERVICE_UNAVAILABLE` when no ports can be had.
 */
export const withFreePorts = async <T>(
  count: number,
  use: (ports: readonly number[]) => Promise<T | undefined>,
): Promise<T> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const ports = new Set<number>();
    while (ports.size < count) ports.add(randomInt(LOWEST_PORT, HIGHEST_PORT));
    const free = await Promise.all([...ports].map(isFree));
    const result = free.every(Boolean) ? await use([...ports]) : undefined;
    if (result !== undefined) return result;
  }
  throw new EventsError(
    'EVENTS_SERVICE_UNAVAILABLE',
    `${ATTEMPTS} times none of the loopback ports tried between ${LOWEST_PORT} and ${HIGHEST_PORT} was free. Close some local servers.`,
  );
};

/** {@link withFreePorts} for one port. */
export const withFreePort = <T>(use: (port: number) => Promise<T | undefined>): Promise<T> =>
  withFreePorts(1, ([port]) => use(port as number));
