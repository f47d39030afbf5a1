import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { commands } from '../src/cli/commands.ts';
import { type Request, requestOf } from '../src/cli/request.ts';
import { buryMany, type Node, startNode, until } from './scene.ts';

/** Asks as the command does; what comes between question and answer is up to the test. */
const purge = async (kernel: Node, args: readonly string[], meanwhile: () => Promise<unknown>) => {
  const [stdin, stderr] = [new PassThrough(), new PassThrough()];
  const spies = [
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(stdin as unknown as typeof process.stdin),
    vi.spyOn(process, 'stderr', 'get').mockReturnValue(stderr as unknown as typeof process.stderr),
  ];
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore();
  });
  const request = requestOf(['purge', ...args], { REDIS_URL: 'redis://host' }) as Request;
  const running = commands.purge(kernel.dlq, request, new AbortController().signal);
  let asked = '';
  stderr.on('data', (text: Buffer) => (asked += text));
  await until(() => asked.includes('[y/N]'), 'it asks');
  await meanwhile();
  stdin.end('y\n');
  return { asked, ...(await running) };
};

test('what comes while somebody thinks is not removed: nobody has agreed to it', async () => {
  const kernel = await startNode();
  await buryMany(kernel, 2);
  const before = (await kernel.dlq.list()).letters.map(({ id }) => id);
  const { asked, out, code } = await purge(kernel, ['--all'], () => buryMany(kernel, 5));
  expect(asked).toContain('Remove 2 dead letters for good?');
  expect({ out, code }).toEqual({ out: 'purged 2, gone 0, refused 0, failed 0', code: 0 });
  const { letters } = await kernel.dlq.list();
  expect(letters).toHaveLength(5);
  expect(letters.some(({ id }) => before.includes(id))).toBe(false);
});

test('what has come takes the place of nothing that somebody else has removed meanwhile', async () => {
  const kernel = await startNode();
  await buryMany(kernel, 3);
  const { out } = await purge(kernel, ['--class', 'processing', '--limit', '2'], async () => {
    await kernel.dlq.purge({ filter: {} });
    await buryMany(kernel, 5);
  });
  expect(out).toBe('purged 0, gone 0, refused 0, failed 0');
  expect((await kernel.dlq.stats()).depth).toBe(5);
});
