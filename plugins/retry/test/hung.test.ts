import { spawnWorker } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import type { HungPlan } from './hung-worker.ts';

const run = async (plan: HungPlan) => {
  await using worker = spawnWorker(new URL('./hung-worker.ts', import.meta.url), [plan]);
  const { code } = await worker.exit;
  return { code, begun: worker.messages };
};

test('a process in which nothing goes on but a handler that hangs lives until its time-out', async () => {
  expect(await run('its time-out')).toEqual({ code: 0, begun: [2] });
}, 20_000);

test.each<HungPlan>(['nothing, stopped', 'nothing, stopped, with a policy of its own'])(
  'what hangs keeps no process alive that waits for %s',
  async (plan) => {
    expect(await run(plan)).toEqual({ code: 0, begun: [1] });
  },
  20_000,
);
