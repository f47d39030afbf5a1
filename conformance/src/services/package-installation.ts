import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findExecutable } from './executable.ts';

const INSTALL_DEADLINE_MS = 300_000;

// Arguments: the policy file, the package, its service, what it is called, a test whether it is there. Under flock, since
// several test workers may ask at once. The policy file is Debian's own way to install a package without starting its
// service; one that is there already stays as it is.
const script = `
exec 3>&2 2>&1
policy=$1 package=$2 service=$3 title=$4 there=$5
sh -c "$there" && exit 0
echo "events-conformance: no $title found, installing the package $package with apt-get" >&3
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\ncase "$1" in %s*) exit 101 ;; esac\\nexit 0\\n' "$service" > "$policy"
  chmod 755 "$policy"
fi
install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$package"
}
install || { apt-get update && install; } || exit 1
update-rc.d "$service" disable
service "$service" stop
exit 0
`;

/** The machine that a package is installed on. */
export interface PackageInstallation {
  readonly path: string;
  readonly root: boolean;
  readonly policyFile: string;
  readonly lockFile: string;
  readonly print: (text: string) => void;
}

/** A server that the distribution has a package of. */
interface ServerPackage {
  /** What people call it. */
  readonly title: string;
  readonly name: string;
  /** The service that it would start. */
  readonly service: string;
  /** A shell command that succeeds where it is installed. */
  readonly there: string;
  readonly isThere: (path: string) => boolean;
}

const thisSystem = (): PackageInstallation => ({
  path: process.env.PATH ?? '',
  root: process.getuid?.() === 0,
  policyFile: '/usr/sbin/policy-rc.d',
  lockFile: join(tmpdir(), 'events-conformance-install.lock'),
  print: (text) => process.stderr.write(text),
});

/** Installs a package on Debian or Ubuntu. Returns why it could not be, undefined when it is there. */
export const installPackage = async (
  { title, name, service, there, isThere }: ServerPackage,
  system = thisSystem(),
): Promise<string | undefined> => {
  const { path, root, policyFile, lockFile, print } = system;
  const flock = findExecutable('flock', path);
  if (flock === undefined || findExecutable('apt-get', path) === undefined) return 'this is neither Debian nor Ubuntu';
  if (!root) return `only root can install the package ${name}`;

  // A package manager that is stopped half-way leaves the machine in need of repair. So it writes to a file, and neither
  // Ctrl-C nor the end of this process reaches it.
  const directory = mkdtempSync(join(tmpdir(), 'events-install-'));
  const logFile = join(directory, 'apt.log');
  const log = openSync(logFile, 'w');
  const child = spawn(flock, [lockFile, 'sh', '-c', script, 'sh', policyFile, name, service, title, there], {
    env: { ...process.env, PATH: path, LC_ALL: 'C' },
    stdio: ['ignore', log, 'pipe'],
    detached: true,
  });
  closeSync(log);
  child.stderr?.on('data', (chunk: Buffer) => print(chunk.toString()));
  const code = await Promise.race([
    new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject)),
    sleep(INSTALL_DEADLINE_MS, 'late' as const, { ref: false }),
  ]);
  if (code === 'late') return `apt-get is still at work after ${INSTALL_DEADLINE_MS / 1000} s, see ${logFile}`;
  const lastLine = readFileSync(logFile, 'utf8').trim().split('\n').at(-1);
  rmSync(directory, { recursive: true });
  if (code === 0 && isThere(path)) return undefined;
  return `apt-get could not install ${name} (${lastLine})`;
};
