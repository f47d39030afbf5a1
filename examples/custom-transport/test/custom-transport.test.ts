import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const home = resolve(import.meta.dirname, '..');
const root = resolve(home, '../..');

const read = (path: string): Promise<string> => readFile(resolve(home, path), 'utf8');

test('the example prints what is expected and ends by itself', async () => {
  const tsx = resolve(root, 'node_modules/.bin/tsx');
  const { stdout, stderr } = await promisify(execFile)(tsx, ['examples/custom-transport/src/main.ts'], { cwd: root });
  expect({ stdout, stderr }).toEqual({ stdout: await read('test/expected.txt'), stderr: '' });
});

test('the README shows what is expected', async () => {
  expect(await read('README.md')).toContain(await read('test/expected.txt'));
});
