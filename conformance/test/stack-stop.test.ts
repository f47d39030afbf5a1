import { createKernel, type EventBus } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, test } from 'vitest';
import { type RedisService, redis } from '../src/services/index.ts';
import { bounded, until } from '../src/until.ts';
import { PLUGINS, stackOf } from './stack/plugins.ts';

const TIMEOUT_MS = 20_000;
const HANDLERS = 100;
/** Longer than a stop, shorter than a wait. */
const LEASE_MS = 6000;
const STOP_MS = 2000;
/** A machine that is busy with other things: what counts is that it ends, and not when the server answers again. */
const SLACK_MS = 3000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const openService = (url: string): EventBus => {
  const kernel = createKernel({ service: 'shop', logger: silent }).use(
    redisStreams({ url, leaseMs: LEASE_MS, claimIntervalMs: 100, timeoutMs: 60_000 }),
  );
  for (const feature of stackOf(PLUGINS, { idempotency: { leaseMs: LEASE_MS } })) kernel.use(feature as never);
  return kernel;
};

/** What may be the matter with the server when a service stops, and how it is made good again. */
const states: readonly [string, (server: RedisService) => Promise<void>, (server: RedisService) => Promise<void>][] = [
  ['up', async () => {}, async () => {}],
  ['down', (server) => server.kill(), (server) => server.start()],
  ['frozen', (server) => server.freeze(), (server) => server.thaw()],
];

describe.each(states)('with the server %s', (_, fail, heal) => {
  test(`stop() with ${HANDLERS} handlers in flight ends by its deadline and reports them; they come back`, {
    timeout: 90_000,
  }, async () => {
    await using server = await redis({ exclusive: true, appendonly: true, appendfsync: 'always' });
    const service = await openService(server.url).start();
    let begun = 0;
    let told = 0;
    await service.subscribe(
      'order.*',
      (_, { signal }) => {
        begun++;
        signal.addEventListener('abort', () => told++);
        return new Promise(() => {});
      },
      { concurrency: HANDLERS },
    );
    const publishing = Array.from({ length: HANDLERS }, (_, number) => service.publish('order.placed', { number }));
    const envelopes = await Promise.all(publishing);
    await until(
      () => begun === HANDLERS,
      TIMEOUT_MS,
      () => `all are at work: ${begun}`,
    );

    await fail(server);
    const report = await bounded(service.stop(STOP_MS), STOP_MS + SLACK_MS, 'it has stopped');
    expect(report).toEqual({ unsettled: HANDLERS, unpublished: 0 });
    expect(told).toBe(HANDLERS);

    await heal(server);
    const next = openService(server.url);
    const handled: string[] = [];
    await next.subscribe('order.*', ({ header }) => void handled.push(header.id), { concurrency: HANDLERS });
    await next.start();
    await until(
      () => handled.length === HANDLERS,
      TIMEOUT_MS,
      () => `they are handled: ${handled.length}`,
    );
    expect(handled.toSorted()).toEqual(envelopes.map(({ header }) => header.id).toSorted());
    expect(await next.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  });
});
