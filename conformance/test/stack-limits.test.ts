import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { dlq } from '@logistically/events-dlq';
import { createKernel, type HandlerContext, isEventsError } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, test } from 'vitest';
import { check, createHistory } from '../src/index.ts';
import { type RedisService, redis } from '../src/services/index.ts';
import { until } from '../src/until.ts';
import { PLUGINS, stackOf } from './stack/plugins.ts';

const TIMEOUT_MS = 20_000;
const GROUP = 'shop';
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const codeOf = (reason: unknown): unknown => (isEventsError(reason) ? reason.code : reason);

/** A service with all five, on a server of its own. */
const openService = async (url: string) => {
  const transport = redisStreams({ url, leaseMs: 5000, claimIntervalMs: 200, timeoutMs: 2000 });
  const options = { retry: { maxAttempts: 2, baseDelayMs: 10, publish: { maxAttempts: 2, baseDelayMs: 10 } } };
  const kernel = createKernel({ service: GROUP, logger: silent }).use(transport).use(dlq());
  for (const feature of stackOf(
    PLUGINS.filter((name) => name !== 'dlq'),
    options,
  ))
    kernel.use(feature as never);
  await kernel.start();
  const history = createHistory();
  return {
    kernel,
    history,
    inspect: transport.capabilities.inspect,
    async publish(count: number, body: object = {}): Promise<unknown[]> {
      const published = Array.from({ length: count }, () => kernel.publish('order.placed', body));
      const outcomes = await Promise.allSettled(published);
      for (const outcome of outcomes)
        if (outcome.status === 'fulfilled') history.record({ fact: 'publish', id: outcome.value.header.id });
      return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    },
    handler:
      (work: (body: { readonly poison?: boolean }, context: HandlerContext) => unknown) =>
      async (
        { header: { id }, body }: { readonly header: { readonly id: string }; readonly body: unknown },
        context: HandlerContext,
      ) => {
        history.record({ fact: 'deliver', id, group: GROUP, consumer: 'one', attempt: context.attempt });
        try {
          await work(body as { readonly poison?: boolean }, context);
        } catch (thrown) {
          history.record({ fact: 'fail', id, group: GROUP, consumer: 'one' });
          throw thrown;
        }
        history.record({ fact: 'settle', id, group: GROUP, consumer: 'one' });
      },
    async pending(): Promise<number> {
      const { partitions } = await transport.capabilities.inspect.topic('order-events');
      return partitions.flatMap(({ groups }) => groups).reduce((sum, { pending }) => sum + pending, 0);
    },
  };
};

const full = (server: RedisService, is: boolean): Promise<unknown> =>
  server.cli('CONFIG', 'SET', 'maxmemory', is ? '1' : '0');

describe('at the memory limit (noeviction)', () => {
  test('publishers are told, consumers drain, nothing is acknowledged without its dead letter; then all goes on', async () => {
    await using server = await redis({ exclusive: true, args: ['--maxmemory-policy', 'noeviction'] });
    const service = await openService(server.url);
    const { kernel, history } = service;
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await kernel.subscribe(
      'order.*',
      service.handler(async ({ poison }) => {
        await released;
        if (poison) throw Object.assign(new Error('never'), { permanent: true });
      }),
      { concurrency: 100 },
    );
    const refusedBefore = await service.publish(50);
    expect(refusedBefore).toEqual([]);
    expect(await service.publish(5, { poison: true })).toEqual([]);
    await until(
      () => history.facts.filter(({ fact }) => fact === 'deliver').length === 55,
      TIMEOUT_MS,
      '55 are at work',
    );

    await full(server, true);
    const refused = await service.publish(20);
    expect(new Set(refused.map(codeOf))).toEqual(new Set(['EVENTS_REDIS_STREAMS_OUT_OF_MEMORY']));
    expect(refused).toHaveLength(20);
    expect(await kernel.health()).toEqual({
      healthy: false,
      problems: [{ source: 'redis-streams', problem: expect.stringContaining('memory limit') }],
    });
    release();
    await until(
      () => history.facts.filter(({ fact }) => fact === 'settle').length === 50,
      TIMEOUT_MS,
      '50 are handled',
    );
    await until(async () => (await service.pending()) === 5, TIMEOUT_MS, 'all but the dead ones are acknowledged');
    expect((await kernel.dlq.stats()).depth).toBe(0);

    await full(server, false);
    expect(await service.publish(20)).toEqual([]);
    await until(async () => (await service.pending()) === 0, TIMEOUT_MS, 'everything is settled');
    const { letters } = await kernel.dlq.list();
    expect(letters).toHaveLength(5);
    for (const { envelope } of letters)
      history.record({ fact: 'dead-letter', id: String(envelope?.header.id), group: GROUP });
    expect(check(history)).toMatchObject({ ok: true, published: 75, done: 75, duplicated: { count: 0 } });
    expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  });
});

describe('with the disk full', () => {
  test('health turns red and says why, publishers are told; then all goes on', async () => {
    await using server = await redis({ exclusive: true, sources: ['binary', 'package'] });
    const service = await openService(server.url);
    const { kernel, history } = service;
    await kernel.subscribe(
      'order.*',
      service.handler(() => {}),
    );
    expect(await service.publish(10)).toEqual([]);
    expect(await kernel.health()).toEqual({ healthy: true, problems: [] });

    // What the server appends to its file from now on goes to a device that is full.
    const [, directory] = (await server.cli('CONFIG', 'GET', 'dir')) as [string, string];
    await mkdir(join(directory, 'appendonlydir'), { recursive: true });
    await symlink('/dev/full', join(directory, 'appendonlydir', 'temp-appendonly.aof.incr'));
    await server.cli('CONFIG', 'SET', 'appendonly', 'yes');
    await until(
      async () => (await service.publish(1)).some((reason) => codeOf(reason) === 'EVENTS_REDIS_STREAMS_NOT_PERSISTED'),
      TIMEOUT_MS,
      'a publisher is told',
    );
    expect(await kernel.health()).toEqual({
      healthy: false,
      problems: [{ source: 'redis-streams', problem: expect.stringContaining('disk') }],
    });

    await server.cli('CONFIG', 'SET', 'appendonly', 'no');
    await until(async () => (await service.publish(1)).length === 0, TIMEOUT_MS, 'events are taken again');
    await until(async () => (await service.pending()) === 0, TIMEOUT_MS, 'everything is settled');
    await until(() => check(history).lost.count === 0, TIMEOUT_MS, 'everything is handled');
    expect(check(history)).toMatchObject({ ok: true });
    expect(await kernel.health()).toEqual({ healthy: true, problems: [] });
    expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  });
});
