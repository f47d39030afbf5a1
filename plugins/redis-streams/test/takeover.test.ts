import { redis, spawnWorker, type WorkerProcess } from '@logistically/events-conformance/services';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { PARKED } from '../src/keys.ts';
import { failScript, renewScript } from '../src/script.ts';
import type { ConsumerPlan, ConsumerReport } from './consumer-worker.ts';
import { SHORT, startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const { leaseMs, claimIntervalMs } = SHORT;
/** How late a loaded machine may be: the bound of a failure, nothing that is measured. */
const MARGIN_MS = 5000;

const startConsumer = async (plan: Omit<ConsumerPlan, 'service' | 'pattern'>): Promise<WorkerProcess> => {
  const all: ConsumerPlan = { service: 'shop', pattern: 'order.*', ...plan };
  const worker = spawnWorker(new URL('./consumer-worker.ts', import.meta.url), [JSON.stringify(all)]);
  await worker.next<ConsumerReport>(({ at }) => at === 'ready');
  return worker;
};

const reports = ({ messages }: WorkerProcess): readonly ConsumerReport[] => messages as ConsumerReport[];
const numbersAt = (worker: WorkerProcess, at: ConsumerReport['at']): number[] =>
  reports(worker).flatMap((report) => (report.at === at ? [report.n] : []));

/** Puts what a consumer process reported before what happens from now on, and ends it there. */
const append = (trail: Trail, worker: WorkerProcess, consumer: string): void => {
  for (const { at, n, attempt } of reports(worker)) {
    const handling = { id: String(n), group: 'shop', consumer };
    if (at === 'started') trail.history.record({ fact: 'deliver', ...handling, attempt });
    if (at === 'done') trail.history.record({ fact: 'settle', ...handling });
  }
  trail.end(consumer);
};

describe.concurrent('takeover', () => {
  test('what a killed process was handling comes to the survivor within lease and interval, attempt raised', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    await using consumer = await startConsumer({ redis: { url: server.url, ...SHORT }, concurrency: 5 });
    const trail = new Trail();
    await using survivor = await startNode({ url: server.url });

    await trail.publishAll(survivor.kernel, 'order.placed', 1, 5);
    await until(() => numbersAt(consumer, 'started').length === 5, 'five are being handled');
    await survivor.kernel.subscribe('order.*', trail.handler('survivor'), { concurrency: 5 });
    consumer.kill('SIGKILL');
    await consumer.exit;
    append(trail, consumer, 'killed');

    await until(
      () => trail.complete,
      () => trail.check(),
      leaseMs + claimIntervalMs + MARGIN_MS,
    );
    expect(trail.calls.map(({ n }) => n).sort()).toEqual([1, 2, 3, 4, 5]);
    expect(trail.calls.map(({ attempt }) => attempt)).toEqual([2, 2, 2, 2, 2]);
    expect(trail.check()).toMatchObject({ ok: true, published: 5, done: 5 });
    await state.whenSettled('order-events');
  });

  test('a process killed in the middle of 300 events loses none', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    await using consumer = await startConsumer({ redis: { url: server.url, ...SHORT }, concurrency: 10, workMs: 10 });
    const trail = new Trail();
    await using survivor = await startNode({ url: server.url });

    await trail.publishAll(survivor.kernel, 'order.placed', 1, 300);
    await until(() => numbersAt(consumer, 'done').length >= 50, 'a part is done');
    consumer.kill('SIGKILL');
    await consumer.exit;
    append(trail, consumer, 'killed');
    const doneBefore = numbersAt(consumer, 'done').length;
    expect(doneBefore).toBeLessThan(300);

    await survivor.kernel.subscribe('order.*', trail.handler('survivor'), { concurrency: 10 });
    await trail.whenComplete();
    // What was done and not yet acknowledged is done again: at least once.
    const { lost, concurrent, phantom } = trail.check();
    expect({ lost, concurrent, phantom }).toMatchObject({
      lost: { count: 0 },
      concurrent: { count: 0 },
      phantom: { count: 0 },
    });
    await state.whenSettled('order-events');
  });

  test('a handler five times longer than the lease, busy in part, runs once while two processes compete', async () => {
    await using server = await redis({ exclusive: true });
    const plan = { redis: { url: server.url, ...SHORT }, concurrency: 2, workMs: 5 * leaseMs, busyMs: leaseMs / 5 };
    await using first = await startConsumer(plan);
    await using second = await startConsumer(plan);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url });

    await trail.publishAll(publisher.kernel, 'order.placed', 1, 4);
    const all = (): ConsumerReport[] => [...reports(first), ...reports(second)].sort((a, b) => a.time - b.time);
    await until(() => all().filter(({ at }) => at === 'done').length === 4, all, 5 * leaseMs + 10_000);
    expect(
      all()
        .filter(({ at }) => at === 'started')
        .map(({ n, attempt }) => [n, attempt])
        .sort(),
    ).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 1],
    ]);
    expect(all().filter(({ at }) => at === 'leaseLost' || at === 'signal')).toEqual([]);
    // Both have had a part in it, so that each could have taken from the other.
    for (const worker of [first, second]) expect(numbersAt(worker, 'done')).not.toEqual([]);
  });
});

describe.concurrent('a lost lease', () => {
  test('gives no right to what another one holds: neither to renew nor to let it wait', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    const stream = state.keys.stream('order-events', 0);
    const retries = state.keys.retries('order-events', 0, 'shop');
    await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
    const id = String(await server.cli('XADD', stream, '*', 'e', 'x'));
    await server.cli('XREADGROUP', 'GROUP', 'shop', 'owner', 'STREAMS', stream, '>');
    const client = new Redis(server.url);
    try {
      const fail = (consumer: string): Promise<unknown> =>
        failScript.run(client, [stream, retries], ['shop', consumer, PARKED, '', id, 1000, 0]);
      const renew = (consumer: string): Promise<unknown> =>
        renewScript.run(client, [stream], ['shop', consumer, '', id]);
      expect(await renew('late')).toEqual([id]);
      expect(await fail('late')).toBe(0);
      expect(await state.pendingByConsumer('order-events')).toEqual({ owner: 1 });
      expect(await server.cli('ZCARD', retries)).toBe(0);

      expect(await renew('owner')).toEqual([]);
      expect(await fail('owner')).toBe(1);
      expect(await state.pendingByConsumer('order-events')).toEqual({ [PARKED]: 1 });
      expect(await fail('owner')).toBe(0);
      // Settled by somebody: nobody brings it back.
      await server.cli('XACK', stream, 'shop', id);
      expect([await renew('owner'), await fail('owner')]).toEqual([[id], 0]);
      expect(await state.pending('order-events')).toBe(0);
    } finally {
      client.disconnect();
    }
  });

  test('is told to the handler; its late failure does not disturb who took over', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    await using sleeper = await startConsumer({ redis: { url: server.url, ...SHORT }, concurrency: 1, fails: true });
    const trail = new Trail();
    await using other = await startNode({ url: server.url });

    await trail.publish(other.kernel, 'order.placed', 1);
    await sleeper.next<ConsumerReport>(({ at }) => at === 'started');
    sleeper.kill('SIGSTOP');
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await other.kernel.subscribe(
      'order.*',
      trail.handler('other', () => released),
    );
    await until(() => trail.calls.length === 1, 'the other one takes over');

    sleeper.kill('SIGCONT');
    await sleeper.next<ConsumerReport>(({ at }) => at === 'leaseLost');
    await sleeper.next<ConsumerReport>(({ at }) => at === 'signal');
    await sleeper.send({ finish: true });
    await sleeper.next<ConsumerReport>(({ at }) => at === 'failed');
    // What the failure has to say to Redis has been said when the sleeper, which works in turn, gets another event.
    await trail.publish(other.kernel, 'order.placed', 2);
    await sleeper.next<ConsumerReport>(({ at, n }) => at === 'started' && n === 2);
    expect(await state.pendingByConsumer('order-events')).not.toHaveProperty('~retries');

    await sleeper.stop();
    release();
    await trail.whenComplete();
    expect(trail.calls.filter(({ n }) => n === 1).map(({ attempt }) => attempt)).toEqual([2]);
    expect(trail.check()).toMatchObject({ ok: true, published: 2, done: 2 });
    await state.whenSettled('order-events');
  });

  test('does not undo what the handler finished all the same', async () => {
    await using server = await redis({ exclusive: true });
    const state = new State(server);
    await using sleeper = await startConsumer({ redis: { url: server.url, ...SHORT }, concurrency: 1 });
    const trail = new Trail();
    await using other = await startNode({ url: server.url });

    await trail.publish(other.kernel, 'order.placed', 1);
    await sleeper.next<ConsumerReport>(({ at }) => at === 'started');
    sleeper.kill('SIGSTOP');
    let fail = (): void => {};
    const failed = new Promise<never>((_, reject) => {
      fail = () => reject(new Error('after the other has done it'));
    });
    await other.kernel.subscribe(
      'order.*',
      trail.handler('other', (n) => n === 1 && failed),
    );
    await until(() => trail.calls.length === 1, 'the other one takes over');

    sleeper.kill('SIGCONT');
    await sleeper.next<ConsumerReport>(({ at }) => at === 'leaseLost');
    await sleeper.send({ finish: true });
    await sleeper.next<ConsumerReport>(({ at }) => at === 'done');
    await until(async () => (await state.pending('order-events')) === 0, 'the late success is acknowledged');
    fail();
    await until(() => other.hears('failed').length === 1, 'the other one fails');
    // Another event passes all the way: what the failure had to say has been said before.
    await sleeper.stop();
    await trail.publish(other.kernel, 'order.placed', 2);
    await until(() => trail.calls.length === 2, 'the other one gets the next event');
    expect(trail.calls.map(({ n, attempt }) => [n, attempt])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(await state.pendingByConsumer('order-events')).not.toHaveProperty('~retries');
  });
});
