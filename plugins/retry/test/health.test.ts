import { expect, test } from 'vitest';
import type { RetryOptions } from '../src/index.ts';
import { kernelWith, noticesOf, until } from './scene.ts';

const circuit = { minimumCalls: 2, windowMs: 60_000, halfOpenAfterMs: 600_000 };
const OPTIONS: RetryOptions = { maxAttempts: 100, baseDelayMs: 1, jitter: 'none', circuit };
const TIME = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
const secret = 'the body of an event';

test('an open circuit is a problem, with all that somebody on call asks', async () => {
  const kernel = kernelWith(OPTIONS);
  await kernel.subscribe('a.*', () => Promise.reject(new Error(secret)), { group: 'mailer' });
  await kernel.start();
  expect(await kernel.health()).toEqual({ healthy: true, problems: [] });
  const begun = Date.now();
  await kernel.publish('a.b', { secret });
  await until(async () => !(await kernel.health()).healthy, 'it is open');
  const { problems } = await kernel.health();
  expect(problems).toEqual([
    {
      source: 'retry',
      problem: expect.stringMatching(
        new RegExp(
          `^the circuit of a\\.\\* in mailer is open, not closed since ${TIME}: 2 of 2 calls failed \\(100 %\\) within 60000 ms; it is probed at ${TIME}$`,
        ),
      ),
    },
  ]);
  const [since, probedAt] = problems[0]?.problem.match(new RegExp(TIME, 'g'))?.map((time) => Date.parse(time)) ?? [];
  expect(since).toBeGreaterThanOrEqual(begun);
  expect(Number(probedAt) - Number(since)).toBeGreaterThanOrEqual(600_000);
  expect(JSON.stringify(problems)).not.toContain(secret);
});

test('half-open it is one still, since it opened first, and closed none any more', async () => {
  const kernel = kernelWith({ ...OPTIONS, circuit: { ...circuit, halfOpenAfterMs: 30 } });
  const notices = noticesOf(kernel);
  const probes: ((failed: boolean) => void)[] = [];
  let calls = 0;
  await kernel.subscribe('a.*', () => {
    if (++calls <= 2) throw new Error('down');
    return new Promise<void>((resolve, reject) => {
      probes.push((failed) => (failed ? reject(new Error('down')) : resolve()));
    });
  });
  await kernel.start();
  await kernel.publish('a.b', 1);
  const problem = async (): Promise<string> => (await kernel.health()).problems[0]?.problem ?? '';
  const sinceOf = (text: string): string | undefined => text.match(new RegExp(`since (${TIME})`))?.[1];
  await until(() => probes.length === 1, 'it is probed');
  const first = await problem();
  expect(first).toMatch(/is half-open, .*; a probe is on its way$/);
  probes[0]?.(true);
  await until(() => probes.length === 2, 'it is probed again');
  const second = await problem();
  expect(sinceOf(second)).toBe(sinceOf(first));
  probes[1]?.(false);
  await until(() => notices.at(-1)?.what === 'circuit closed', 'it is closed');
  expect(await kernel.health()).toEqual({ healthy: true, problems: [] });
});

test('when nobody has that subscription any more it is no problem', async () => {
  const kernel = kernelWith(OPTIONS);
  const fail = (): never => {
    throw new Error('down');
  };
  const one = await kernel.subscribe('a.*', fail);
  const two = await kernel.subscribe('a.*', fail);
  await kernel.start();
  await kernel.publish('a.b', 1);
  const isHealthy = async (): Promise<boolean> => (await kernel.health()).healthy;
  await until(async () => !(await isHealthy()), 'it is open');
  await one.unsubscribe(50);
  expect(await isHealthy()).toBe(false);
  await two.unsubscribe(50);
  expect(await isHealthy()).toBe(true);
});

test('a kernel that starts again begins with closed circuits', async () => {
  const kernel = kernelWith(OPTIONS);
  let down = true;
  let done = 0;
  await kernel.subscribe('a.*', () => {
    if (down) throw new Error('down');
    done++;
  });
  await kernel.start();
  await kernel.publish('a.b', 1);
  await until(async () => !(await kernel.health()).healthy, 'it is open');
  await kernel.stop(300);
  down = false;
  await kernel.start();
  expect(await kernel.health()).toEqual({ healthy: true, problems: [] });
  await until(() => done === 1, 'what it held is handled');
});
