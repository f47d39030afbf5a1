import { type RedisService, redis } from '@logistically/events-conformance/services';
import { EventsError } from '@logistically/events-kernel';
import { describe, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

/** Ways to lose a server that writes every change to its append-only file before it answers. */
const downfalls: readonly [string, (server: RedisService) => Promise<void>][] = [
  ['restarted', (server) => server.restart()],
  [
    'killed (SIGKILL)',
    async (server) => {
      await server.kill();
      await server.start();
    },
  ],
];

const durableRedis = (): Promise<RedisService> => redis({ exclusive: true, appendonly: true, appendfsync: 'always' });

describe.concurrent.each(downfalls)('a server that is %s', (_, fall) => {
  test('loses nothing that a publisher was told is stored', async () => {
    await using server = await durableRedis();
    const state = new State(server);
    const trail = new Trail();
    await using publisher = await startNode({ url: server.url });
    await using consumer = await startNode({ url: server.url });
    await consumer.kernel.subscribe('order.*', trail.handler('consumer'), { concurrency: 10 });

    let running = true;
    let n = 0;
    const publishing = (async () => {
      while (running) {
        const first = n + 1;
        n += 20;
        await trail.publishAll(publisher.kernel, 'order.placed', first, n);
      }
    })();
    await until(() => trail.done.length > 100, 'events flow');
    await fall(server);
    const before = trail.done.length;
    await until(() => trail.done.length > before + 100, 'events flow again');
    running = false;
    await publishing;

    await trail.whenComplete();
    const { lost, phantom, concurrent } = trail.check();
    expect([lost.count, phantom.count]).toEqual([0, 0]);
    // An answer that was lost may leave an event stored twice: what must not be is one entry in two hands.
    const entriesOf = (id: string): Set<string> =>
      new Set(trail.calls.filter(({ n }) => String(n) === id).map(({ context }) => context.cursor));
    expect(concurrent.examples.filter(({ id }) => entriesOf(id).size === 1)).toEqual([]);
    await state.whenSettled('order-events');
  });

  test('remembers attempts and when each is due', async () => {
    await using server = await durableRedis();
    const state = new State(server);
    const trail = new Trail();
    await using node = await startNode({ url: server.url });
    const later = (): never => {
      throw new EventsError('EVENTS_TEST_LATER', 'Not yet.', { retryAfterMs: 2500 });
    };
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', (n, { attempt }) => {
        if (n === 1 && attempt < 3) throw new EventsError('EVENTS_TEST_SOON', 'Again.', { retryAfterMs: 1 });
        if (attempt < 4) later();
      }),
    );
    await trail.publish(node.kernel, 'order.placed', 1);
    await until(() => trail.calls.length === 3, 'three attempts');
    const retries = state.keys.retries('order-events', 0, 'shop');
    const schedule = async (): Promise<string[]> =>
      (await server.cli('ZRANGE', retries, '0', '-1', 'WITHSCORES')) as string[];
    await until(async () => (await schedule()).length === 2, 'the fourth is scheduled');
    const [id, due] = await schedule();
    expect(Number(due)).toBeGreaterThanOrEqual((trail.calls[2]?.time ?? 0) + 2500);

    await fall(server);
    expect(await schedule()).toEqual([id, due]);
    const [[, owner, , count]] = (await server.cli(
      'XPENDING',
      state.keys.stream('order-events', 0),
      'shop',
      '-',
      '+',
      '1',
    )) as [[string, string, number, number]];
    expect([owner, count]).toEqual(['~retries', 3]);

    await until(() => trail.done.includes(1), 'the fourth attempt succeeds');
    expect(trail.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
    expect(trail.calls[3]?.time).toBeGreaterThanOrEqual(Number(due));
    await state.whenSettled('order-events');
    expect(await schedule()).toEqual([]);
  });
});
