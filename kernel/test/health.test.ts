import { expect, test, vi } from 'vitest';
import { createKernel, type Feature } from '../src/index.ts';
import { deferred, Probe, silent, startProbe } from './probe.ts';

test('a kernel that does not run is not healthy', async () => {
  const kernel = createKernel({ service: 'shop', logger: silent }).use(new Probe());
  expect(await kernel.health()).toEqual({
    healthy: false,
    problems: [{ source: 'kernel', problem: expect.any(String) }],
  });
  await kernel.start();
  expect(await kernel.health()).toEqual({ healthy: true, problems: [] });
  await kernel.stop();
  expect((await kernel.health()).healthy).toBe(false);
});

test('what a transport says is named by the transport', async () => {
  const { kernel, probe } = await startProbe();
  probe.problems = ['user-events: lag 5000', 'disconnected'];
  expect((await kernel.health()).problems).toEqual([
    { source: 'probe', problem: 'user-events: lag 5000' },
    { source: 'probe', problem: 'disconnected' },
  ]);
});

test('a transport that fails to tell its health is not healthy', async () => {
  const { kernel, probe } = await startProbe();
  probe.health = () => Promise.reject(new Error('timed out'));
  expect((await kernel.health()).problems).toEqual([{ source: 'probe', problem: 'timed out' }]);
});

test('a transport that gives no answer is not healthy', async () => {
  const { kernel, probe } = await startProbe();
  probe.health = () => new Promise(() => {});
  expect((await kernel.health()).problems).toEqual([{ source: 'probe', problem: expect.stringContaining('health') }]);
});

test('a feature says what is wrong while the transports are open, and is named', async () => {
  const asked: string[] = [];
  const watcher: Feature = {
    kind: 'feature',
    name: 'watcher',
    setup({ onHealth }) {
      onHealth(() => [`asked ${asked.push('once')} times`]);
      onHealth(() => Promise.reject(new Error('cannot tell')));
      return {};
    },
  };
  const kernel = createKernel({ service: 'shop', logger: silent }).use(new Probe()).use(watcher);
  expect((await kernel.health()).problems).toHaveLength(1);
  await kernel.start();
  expect(await kernel.health()).toEqual({
    healthy: false,
    problems: [
      { source: 'watcher', problem: 'asked 1 times' },
      { source: 'watcher', problem: 'cannot tell' },
    ],
  });
  await kernel.stop();
});

test('what has just been delivered is no stall, however long nothing was', async () => {
  const { kernel, probe } = await startProbe();
  const [first, second] = [deferred(), deferred()];
  const work = [first, second];
  await kernel.subscribe('a.x', () => work.shift()?.promise);
  const delivery = probe.deliver('a.x', 1);
  expect((await kernel.health()).healthy).toBe(true);
  first.resolve();
  await probe.settled(delivery);
  await kernel.health();
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
  probe.deliver('a.x', 1);
  expect((await kernel.health()).healthy).toBe(true);
  clock.mockRestore();
  second.resolve();
});

test('a subscription that settles nothing is a stall, whatever the others do', async () => {
  const { kernel, probe } = await startProbe({ stallMs: 1 });
  const stuck = deferred();
  await kernel.subscribe('a.x', () => stuck.promise);
  await kernel.subscribe('b.x', () => {});
  expect((await kernel.health()).healthy).toBe(true);
  const delivery = probe.deliver('a.x', 1);
  const passed = async () => {
    const since = Date.now();
    while (Date.now() - since < 2) await new Promise((resolve) => setImmediate(resolve));
  };
  await kernel.health();
  await passed();
  await probe.settled(probe.deliver('b.x', 1, { by: 1 }));
  expect((await kernel.health()).problems).toEqual([
    { source: 'handlers', problem: expect.stringMatching(/a\.x.*shop.*1/) },
  ]);
  stuck.resolve();
  await probe.settled(delivery);
  expect((await kernel.health()).healthy).toBe(true);
});
