import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findExecutable } from '../src/services/executable.ts';
import type { PackageInstallation } from '../src/services/package-installation.ts';
import { installRedisPackage } from '../src/services/redis-package.ts';

/** A directory that plays a machine: the installation script runs for real, the package tools are recorders. */
const machine = (aptGet: string): PackageInstallation & { recorded(): string[]; printed: string[] } => {
  const root = mkdtempSync(join(tmpdir(), 'events-machine-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const path = join(root, 'bin');
  const policyFile = join(root, 'policy-rc.d');
  const record = join(root, 'record');
  mkdirSync(path);
  for (const tool of ['sh', 'flock', 'rm', 'chmod', 'sleep'])
    symlinkSync(findExecutable(tool) ?? tool, join(path, tool));
  const put = (name: string, body: string): void => {
    writeFileSync(join(path, name), `#!/bin/sh\necho "${name} $*" >> '${record}'\n${body}\n`);
    chmodSync(join(path, name), 0o755);
  };
  const installs = `printf '#!/bin/sh\\n' > '${path}/redis-server'; chmod 755 '${path}/redis-server'`;
  const asksPolicy = `for s in redis-server cron; do '${policyFile}' $s start; echo "policy $s $?" >> '${record}'; done`;
  put('apt-get', aptGet.replaceAll('INSTALL', `${asksPolicy}; ${installs}`).replaceAll('ROOT', root));
  put('update-rc.d', '');
  put('service', '');
  const printed: string[] = [];
  return {
    path,
    root: true,
    policyFile,
    lockFile: join(root, 'lock'),
    print: (text) => printed.push(text),
    printed,
    recorded: () => (existsSync(record) ? readFileSync(record, 'utf8').trim().split('\n') : []),
  };
};

const notice = 'events-conformance: no Redis found, installing the package redis-server with apt-get\n';
const install = 'apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 redis-server';

test('the package is installed once however many ask, says so, and its service does not start', async () => {
  const system = machine('sleep 0.1; INSTALL');
  expect(await Promise.all(Array.from({ length: 4 }, () => installRedisPackage(system)))).toEqual(
    Array(4).fill(undefined),
  );
  expect(system.recorded()).toEqual([
    install,
    'policy redis-server 101',
    'policy cron 0',
    'update-rc.d redis-server disable',
    'service redis-server stop',
  ]);
  expect(system.printed).toEqual([notice]);
  expect(existsSync(system.policyFile)).toBe(false);
});

test('a machine without package lists gets them first', async () => {
  const system = machine(`
    if [ "$1" = update ]; then : > ROOT/lists; exit 0; fi
    [ -e ROOT/lists ] || { echo 'E: Unable to locate package redis-server'; exit 100; }
    INSTALL`);
  expect(await installRedisPackage(system)).toBe(undefined);
  expect(system.recorded().slice(0, 3)).toEqual([install, 'apt-get update', install]);
});

test('a policy that is there already stays', async () => {
  const system = machine('INSTALL');
  writeFileSync(system.policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  expect(await installRedisPackage(system)).toBe(undefined);
  expect(system.recorded()).toContain('policy cron 101');
  expect(readFileSync(system.policyFile, 'utf8')).toBe('#!/bin/sh\nexit 101\n');
});

test('an installation that fails gives the reason and leaves nothing behind', async () => {
  const system = machine("echo 'E: Could not connect'; exit 100");
  expect(await installRedisPackage(system)).toBe('apt-get could not install redis-server (E: Could not connect)');
  expect(existsSync(system.policyFile)).toBe(false);
});

test('without root or without apt-get nothing is tried', async () => {
  const system = machine('INSTALL');
  expect(await installRedisPackage({ ...system, root: false })).toContain('only root');
  rmSync(join(system.path, 'apt-get'));
  expect(await installRedisPackage(system)).toContain('neither Debian nor Ubuntu');
  expect(system.recorded()).toEqual([]);
});
