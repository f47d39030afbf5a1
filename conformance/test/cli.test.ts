import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../src/index.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'events-conformance-'));
const cli = join(home, 'dist', 'cli.mjs');
const inHome = (name: string): string => join(home, name);

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const run = async (...args: string[]): Promise<Run> => {
  const child = spawn(process.execPath, [cli, ...args], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
};

/** As it is published: one file that plain Node runs, with no vitest beside it. */
beforeAll(async () => {
  const common = { bundle: true, format: 'esm', platform: 'node', target: 'node20' } as const;
  await build({ ...common, entryPoints: [here('../src/cli.ts')], outfile: cli });
  await build({ ...common, entryPoints: [here('./transports/module.ts')], outfile: inHome('poor.mjs') });
  copyFileSync(here('../package.json'), inHome('package.json'));
});
afterAll(() => rmSync(home, { recursive: true }));

describe('events-conformance', () => {
  test('certifies a module, and writes report and badge', async () => {
    const { code, out } = await run(
      'certify',
      'poor.mjs',
      '--json',
      'report.json',
      '--badge',
      'badge.svg',
      '--seed',
      '4711',
    );
    expect(out).toContain('poor is certified');
    expect(code).toBe(0);
    const report = JSON.parse(readFileSync(inHome('report.json'), 'utf8')) as Report;
    expect(report).toMatchObject({ transport: 'poor', certified: true, seed: 4711, versions: { broker: 'none' } });
    expect(report.kit).toBe((JSON.parse(readFileSync(here('../package.json'), 'utf8')) as { version: string }).version);
    expect(readFileSync(inHome('badge.svg'), 'utf8')).toMatch(/^<svg [\s\S]*passed/);
  });

  test('fails with 1 when a case fails', async () => {
    writeFileSync(
      inHome('liar.mjs'),
      `import { createTransport } from './poor.mjs';
       export default () => ({ ...createTransport(), capabilities: { log: { read: async () => [], topics: async () => [] } } });`,
    );
    const { code, out } = await run('certify', 'liar.mjs', '--only', 'log/', '--timeout', '200');
    expect(out).toContain('failed  log/reads-what-was-published (log)');
    expect(code).toBe(1);
  });

  test('reads TypeScript', async () => {
    const { code, out, err } = await run('certify', here('./transports/module.ts'), '--only', 'lifecycle/');
    expect({ code, err: err.trim() }).toEqual({ code: 0, err: expect.stringMatching(/^[.-]+$/) });
    expect(out).toContain('some cases only');
  });

  const misuses: readonly [string, string[], RegExp][] = [
    ['no command', [], /events-conformance certify <module>/],
    ['an unknown option', ['certify', 'poor.mjs', '--fast'], /--fast/],
    ['a number that is none', ['certify', 'poor.mjs', '--timeout', 'soon'], /--timeout takes a whole number/],
    ['a module that does not exist', ['certify', 'none.mjs'], /none\.mjs cannot be loaded/],
    ['a module without a factory', ['certify', 'empty.mjs'], /offers no factory/],
  ];
  for (const [name, args, message] of misuses)
    test(`refuses ${name} with 2`, async () => {
      writeFileSync(inHome('empty.mjs'), 'export const nothing = 1;');
      const { code, err } = await run(...args);
      expect(err).toMatch(message);
      expect(code).toBe(2);
    });

  test('explains itself', async () => {
    const { code, out } = await run('--help');
    expect(out).toContain('--badge <file>');
    expect(code).toBe(0);
  });
});
