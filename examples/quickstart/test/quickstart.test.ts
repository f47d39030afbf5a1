import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const home = resolve(import.meta.dirname, '..');
const root = resolve(home, '../..');

const read = (path: string): Promise<string> => readFile(path, 'utf8');

test('`start` runs the quickstart, which prints what is expected and ends by itself', async () => {
  const { scripts } = JSON.parse(await read(resolve(root, 'package.json'))) as { scripts: { start: string } };
  const [command = '', ...args] = scripts.start.split(' ');
  const { PATH } = process.env;
  const env = { ...process.env, PATH: `${resolve(root, 'node_modules/.bin')}${delimiter}${PATH}` };
  const { stdout, stderr } = await promisify(execFile)(command, args, { cwd: root, env });
  expect(stdout).toBe(await read(resolve(home, 'test/expected.txt')));
  expect(stderr).toBe('');
});

test('the README shows what is expected', async () => {
  expect(await read(resolve(home, 'README.md'))).toContain(await read(resolve(home, 'test/expected.txt')));
});
