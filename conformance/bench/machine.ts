import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { BenchServer } from './bench-server.ts';

/** What the figures were measured on. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string | undefined;
  readonly libraries: Readonly<Record<string, string>>;
  /** Processes that wanted a core in the minute before: other work on the machine shows here. */
  readonly load: number;
}

const versionOf = (name: string): string => {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
};

export const describeMachine = async (server: BenchServer | undefined): Promise<Machine> => ({
  date: new Date().toISOString(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
  redis: server && /^redis_version:(.+?)\r?$/m.exec(String(await server.cli('INFO', 'server')))?.[1],
  libraries: Object.fromEntries(['ioredis', 'bullmq', 'mitt', 'emittery'].map((name) => [name, versionOf(name)])),
  load: loadavg()[0] ?? 0,
});

export const machineLine = ({ date, cpu, cores, memoryGiB, node, redis, libraries, load }: Machine): string =>
  [
    `${cores} x ${cpu}, ${memoryGiB} GiB, load ${load.toFixed(2)}`,
    `node ${node}`,
    ...(redis ? [`redis ${redis}`] : []),
    ...Object.entries(libraries).map(([name, version]) => `${name} ${version}`),
    date,
  ].join(' | ');
