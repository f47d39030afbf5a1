import { existsSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { findExecutable } from '../src/services/executable.ts';
import { spawnWorker, type WorkerProcess } from '../src/services/index.ts';
import { installRedisPackage } from '../src/services/redis-package.ts';

const worker = (program: string, env?: Record<string, string>): WorkerProcess => {
  const started = spawnWorker(new URL('./services-worker.ts', import.meta.url), [program], env);
  onTestFinished(() => started.stop());
  return started;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('a worker gets its environment, takes messages and answers', async () => {
  const { next, send } = worker('echo', { GREETING: 'hello' });
  expect(await next()).toEqual({ ready: 'hello' });
  await send({ one: 1 });
  await send({ two: 2 });
  expect(await next((message: { echo: { two?: number } }) => message.echo.two === 2)).toEqual({ echo: { two: 2 } });
  expect(await next()).toEqual({ echo: { one: 1 } });
});

test('every message that a worker sent has arrived when it is gone, even by SIGKILL', async () => {
  const { exit, messages, next } = worker('burst');
  expect(await exit).toEqual({ code: null, signal: 'SIGKILL' });
  const indexes = (messages as { index: number }[]).map(({ index }) => index);
  expect(indexes).toEqual(Array.from({ length: 101 }, (_, index) => index));
  expect(await next((message: { index: number }) => message.index === 99)).toMatchObject({ index: 99 });
});

test('waiting for a worker that fails says how it failed', async () => {
  const { exit, next, output } = worker('fail');
  await expect(next()).rejects.toMatchObject({
    code: 'EVENTS_SERVICE_FAILED',
    message: expect.stringContaining('the worker gave up'),
  });
  expect(await exit).toEqual({ code: 1, signal: null });
  expect(output()).toContain('the worker gave up');
  await expect(next()).rejects.toMatchObject({ code: 'EVENTS_SERVICE_FAILED' });
});

test('waiting for a message that does not come ends at the deadline', async () => {
  const { next } = worker('echo');
  await expect(next((message) => message === 'never', 50)).rejects.toMatchObject({ code: 'EVENTS_SERVICE_TIMEOUT' });
});

test('a worker can be suspended, continued and killed', async () => {
  const { exit, kill, messages, next, pid, send } = worker('echo');
  const other = worker('echo');
  await Promise.all([next(), other.next()]);

  kill('SIGSTOP');
  await send({ of: 'the suspended' });
  await other.send({ of: 'the other' });
  await other.next();
  expect(messages).toHaveLength(1);
  kill('SIGCONT');
  expect(await next()).toEqual({ echo: { of: 'the suspended' } });

  kill('SIGKILL');
  expect(await exit).toEqual({ code: null, signal: 'SIGKILL' });
  expect(isAlive(pid)).toBe(false);
  await expect(send({})).rejects.toMatchObject({ code: 'EVENTS_SERVICE_FAILED' });
});

test.for(['exits', 'is killed'] as const)('servers and workers die with a parent that %s', async (how, context) => {
  // Of a container the engine takes care, seconds later.
  const unavailable = findExecutable('redis-server') ? undefined : await installRedisPackage();
  if (unavailable !== undefined) context.skip(unavailable);
  const parent = worker('parent');
  const left = await parent.next<{ server: number; directory: string; child: number }>();
  expect([isAlive(left.server), isAlive(left.child), existsSync(left.directory)]).toEqual([true, true, true]);

  if (how === 'exits') await parent.send({ exit: true });
  else parent.kill('SIGKILL');
  expect(await parent.exit).toEqual(how === 'exits' ? { code: 0, signal: null } : { code: null, signal: 'SIGKILL' });

  await vi.waitFor(
    () =>
      expect([isAlive(left.server), isAlive(left.child), existsSync(left.directory)]).toEqual([false, false, false]),
    { timeout: 10_000 },
  );
});
