import { describe, expect, test } from 'vitest';
import { createKernel } from '../src/index.ts';
import { deferred, never, Probe, silent } from './probe.ts';

const aborted = expect.objectContaining({ code: 'EVENTS_ABORTED' });

/** A kernel with all that `start` has to do: two transports, a feature, a subscription. */
const create = async (task: () => Promise<void> = async () => {}) => {
  const probes = [new Probe('a'), new Probe('b')] as const;
  const kernel = createKernel({ service: 'shop', logger: silent, startTimeoutMs: 60, stopTimeoutMs: 200 })
    .use(probes[0])
    .use(probes[1])
    .use({
      kind: 'feature',
      name: 'f',
      setup({ onStart }) {
        onStart(task);
        return {};
      },
    });
  await kernel.subscribe('a.x', () => {});
  return { kernel, probes };
};

describe('a start that stop() overtakes is aborted', () => {
  test('whenever that is', async () => {
    const seen = new Set<boolean>();
    for (let turns = 0; turns < 200; turns++) {
      const { kernel, probes } = await create();
      let started = false;
      kernel.on('started', () => {
        started = true;
      });
      const starting = kernel.start().catch((thrown) => thrown);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const before = started;
      seen.add(before);
      await kernel.stop();
      expect([turns, await starting]).toEqual([turns, before ? kernel : aborted]);
      expect([turns, started]).toEqual([turns, before]);
      for (const { calls } of probes) expect(calls).toEqual(calls.length ? ['open', 'close'] : []);
      for (const { subscriptions } of probes) for (const { calls } of subscriptions) expect(calls.at(-1)).toBe('close');
      expect((await kernel.health()).problems).toEqual([{ source: 'kernel', problem: expect.stringContaining('new') }]);
    }
    expect(seen).toEqual(new Set([false, true]));
  });

  test.each(['open', 'subscribe'] as const)('also when %s fails because of that', async (step) => {
    const { kernel, probes } = await create();
    const reached = deferred();
    const answer = deferred();
    probes[0].before[step] = () => {
      reached.resolve();
      return answer.promise;
    };
    const starting = kernel.start();
    const refused = expect(starting).rejects.toEqual(aborted);
    await reached.promise;
    const stopping = kernel.stop();
    answer.reject(new Error('closed'));
    await refused;
    await stopping;
  });

  test.each([
    ['fails', () => Promise.reject(new Error('closed'))],
    ['never ends', never],
  ])('also when a feature %s', async (_, ends) => {
    const reached = deferred();
    const go = deferred();
    const { kernel } = await create(() => {
      reached.resolve();
      return go.promise.then(ends);
    });
    const refused = expect(kernel.start()).rejects.toEqual(aborted);
    await reached.promise;
    const stopping = kernel.stop();
    go.resolve();
    await refused;
    await stopping;
  });
});

test('a start that failed before stop() was called tells why', async () => {
  const { kernel, probes } = await create();
  probes[1].before.open = () => Promise.reject(new Error('no broker'));
  const refused = expect(kernel.start()).rejects.toThrow('no broker');
  probes[0].before.close = async () => void kernel.stop();
  await refused;
});
