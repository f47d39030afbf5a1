import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findExecutable } from './executable.ts';
import { LOOPBACK, withFreePort } from './free-port.ts';
import { type PostgresAttempt, type PostgresService, postgresService } from './postgres-service.ts';
import { ServerProcess, type ServerUser } from './server-process.ts';

/** Where Debian keeps the programs of every version, beside the PATH. */
const DEBIAN_ROOT = '/usr/lib/postgresql';

// Both in one process, whose id is the server's in the end. What it is told to forget is what costs tests their time.
const script = `
umask 077
[ -e data/PG_VERSION ] || "$1" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync || exit 1
exec "$2" -D data -c listen_addresses=${LOOPBACK} -c port="$3" -c unix_socket_directories= \
  -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c dynamic_shared_memory_type=mmap
`;

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/** `initdb` and `postgres` on the PATH, else of the newest version that Debian's packages have installed. */
export const findPostgres = (path = process.env.PATH ?? ''): Programs | undefined => {
  let versions: string[] = [];
  try {
    versions = readdirSync(DEBIAN_ROOT).sort((a, b) => Number(b) - Number(a));
  } catch {
    // No package has been installed.
  }
  const directories = [...path.split(delimiter), ...versions.map((version) => join(DEBIAN_ROOT, version, 'bin'))];
  for (const directory of directories) {
    const initdb = findExecutable('initdb', directory);
    const postgres = findExecutable('postgres', directory);
    if (initdb && postgres) return { initdb, postgres };
  }
  return undefined;
};

/** Undefined where there is none. */
const userNamed = (name: string): ServerUser | undefined => {
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
};

/** Starts a `postgres` of this machine. Rejects with `EVENTS_SERVICE_FAILED` when it does not come up. */
export const postgresFromBinary = async (): Promise<PostgresAttempt> => {
  const programs = findPostgres();
  if (programs === undefined) return { reason: `there is no initdb and postgres on the PATH or in ${DEBIAN_ROOT}` };
  const root = process.getuid?.() === 0;
  const user = root ? (userNamed('postgres') ?? userNamed('nobody')) : undefined;
  if (root && !user) return { reason: 'postgres refuses to run as root, and there is no user `postgres`' };
  return { service: await withFreePort((port) => startOn(port, programs, user)) };
};

const startOn = async (
  port: number,
  { initdb, postgres }: Programs,
  user: ServerUser | undefined,
): Promise<PostgresService | undefined> => {
  let home = '';
  const server = new ServerProcess({
    name: 'postgres',
    command: 'sh',
    args(directory) {
      home = directory;
      return ['-c', script, 'sh', initdb, postgres, String(port)];
    },
    // As the server itself says to its tools: its process id in the first line, and in the last one how it is.
    async ready(pid) {
      const lines = readFileSync(join(home, 'data', 'postmaster.pid'), 'utf8')
        .trim()
        .split('\n');
      return lines[0] === String(pid) && lines.at(-1)?.trim() === 'ready';
    },
    ...(user && { user }),
    // The fast way to shut down: SIGTERM waits for its clients.
    endSignal: 'SIGINT',
  });
  if (!(await server.startUnlessTaken())) return undefined;
  return postgresService(`postgres://postgres@${LOOPBACK}:${port}/postgres`, 'binary', async () => {
    // In good order, so that it gives back its shared memory.
    await server.end();
    await server.dispose();
  });
};
