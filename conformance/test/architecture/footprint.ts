import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** Bytes of an entry and all that it imports, minified and compressed, with the packages in `external` left out. */
export async function compressedSize(entry: string, external: readonly string[]): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: [...external],
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length;
}

const RECORDER = join(import.meta.dirname, 'record-loads.mjs');
const INSTALLED = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//;

/** The installed packages that a process loads when it imports a module and nothing else. */
export async function loadedPackages(specifier: string): Promise<string[]> {
  const program = `await import(${JSON.stringify(specifier)})`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--import', RECORDER, '--input-type=module', '--eval', program],
    { cwd: import.meta.dirname, env: { ...process.env, NODE_OPTIONS: '' } },
  );
  const urls = stdout.split('\n').filter((line) => line.startsWith('loaded '));
  const names = urls.flatMap((url) => INSTALLED.exec(url)?.[1] ?? []);
  return [...new Set(names)].sort();
}
