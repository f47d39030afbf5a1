import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { type RedisServer, sharedRedis } from '@logistically/events-conformance/services';
import { beforeAll, expect, test } from 'vitest';

const home = resolve(import.meta.dirname, '..');
const root = resolve(home, '../..');

/** Runs the example as the README says, beside a server. */
const run = (url: string): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(resolve(root, 'node_modules/.bin/tsx'), ['examples/redis/src/main.ts'], {
    cwd: root,
    env: { ...process.env, REDIS_URL: url },
  });

let server: RedisServer;
beforeAll(async () => {
  server = await sharedRedis();
}, 300_000);

test('the shop on Redis prints what is expected, and does so again', { timeout: 120_000 }, async () => {
  const expected = { stdout: await readFile(resolve(home, 'test/expected.txt'), 'utf8'), stderr: '' };
  expect(await run(server.url)).toEqual(expected);
  expect(await run(server.url)).toEqual(expected);
});

test('the output is that of the quickstart, but for the name of the transport', async () => {
  const quickstart = await readFile(resolve(root, 'examples/quickstart/test/expected.txt'), 'utf8');
  const expected = await readFile(resolve(home, 'test/expected.txt'), 'utf8');
  expect(expected).toBe(quickstart.replace('memory', 'redis-streams'));
});

test('without a server it says what to do', { timeout: 120_000 }, async () => {
  // Port 9 is reserved for a service that nobody runs.
  const failed = run('redis://127.0.0.1:9');
  await expect(failed).rejects.toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('Set REDIS_URL') });
});

test('the README shows what is expected', async () => {
  const expected = await readFile(resolve(home, 'test/expected.txt'), 'utf8');
  expect(await readFile(resolve(home, 'README.md'), 'utf8')).toContain(expected);
});
