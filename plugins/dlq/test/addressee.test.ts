import { randomBytes } from 'node:crypto';
import { sharedRedis } from '@logistically/events-conformance/services';
import { createKernel, type TopicState } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RemovalReport } from '../src/index.ts';
import { buryMany, type Node, quiet, startNode, unread, until } from './scene.ts';

const { url, cli } = await sharedRedis();

/** Handles on one broker. */
const brokers = {
  memory: () => {
    const transport = memory({ redeliverMs: 1 });
    return () => transport;
  },
  'redis-streams': () => {
    const prefix = `dlq-to-${randomBytes(4).toString('hex')}`;
    return () => redisStreams({ url, prefix, redeliverMs: 1 });
  },
};

const reasonsOf = (report: RemovalReport): unknown[] =>
  report.outcomes.map(({ reason }) => (reason as Error | undefined)?.message);

describe.each(Object.entries(brokers))('a group that nobody reads any more on %s', (name, broker) => {
  test('gets nothing sent again: it would be sent to nobody', async () => {
    const handle = broker();
    const [shop, renamed] = [await startNode({}, handle()), await startNode({ service: 'shop2' }, handle())];
    const got: unknown[] = [];
    await buryMany(shop, 2);
    await renamed.subscribe('order.placed', ({ body }) => void got.push(body), { group: 'shop2' });
    expect(await renamed.dlq.redrive({ filter: {}, limit: 1 })).toMatchObject({ redriven: 1 });
    if (name === 'memory') await unread(shop);
    else await shop.stop();
    const refused = await renamed.dlq.redrive({ filter: {} });
    expect(refused).toMatchObject({ redriven: 0, refused: 1, outcomes: [{ reason: { code: 'EVENTS_DLQ_REFUSED' } }] });
    expect(reasonsOf(refused)).toEqual([expect.stringContaining('nobody reads group shop in order-events now')]);
    expect(await renamed.dlq.redrive({ filter: {}, dryRun: true })).toMatchObject({ refused: 1 });
    expect(await renamed.dlq.redrive({ filter: {}, dryRun: true, force: true })).toMatchObject({ redriven: 1 });
    expect(await renamed.dlq.redrive({ filter: {}, to: 'all' })).toMatchObject({ redriven: 1 });
    await until(() => got.length === 1, 'the other group has it');
  });
});

test('a group that is read and has had no traffic since it was started gets it, one of a pattern too', async () => {
  const handle = brokers['redis-streams']();
  const first = await startNode({}, handle());
  await buryMany(first, 2);
  await first.stop();
  for (const pattern of ['order.placed', 'order.*']) {
    const second = await startNode({}, handle());
    const tool = await startNode({ service: 'tool' }, handle());
    const got: unknown[] = [];
    await second.subscribe(pattern, ({ body }) => void got.push(body));
    expect(await tool.dlq.redrive({ filter: {}, limit: 1 })).toMatchObject({ redriven: 1, refused: 0 });
    await until(() => got.length === 1, 'it is handled');
    await second.stop();
  }
});

test('what a killed process has left behind is no reader, and where nothing outlives the process a quiet one is', async () => {
  const idle = (durable: boolean, idleMs: number) => {
    const inner = memory({ redeliverMs: 1 });
    const { store: _, ...capabilities } = inner.capabilities;
    const topic = async (name: string): Promise<TopicState> => ({
      topic: name,
      partitions: [
        {
          partition: 0,
          length: 1,
          groups: [
            { group: 'shop', lag: 0, pending: 0, delayed: 0, consumers: [{ consumer: 'one', pending: 0, idleMs }] },
          ],
        },
      ],
    });
    const own = { ...capabilities, inspect: { topic }, ...(durable && { durable: 'server' as const }) };
    return { ...inner, capabilities: own } as unknown as ReturnType<typeof memory>;
  };
  for (const [durable, idleMs, redriven] of [
    [true, 599_000, 1],
    [true, 601_000, 0],
    [false, 601_000, 1],
  ] as const) {
    const kernel = await startNode({}, idle(durable, idleMs));
    await buryMany(kernel, 1);
    expect(await kernel.dlq.redrive({ filter: {}, dryRun: true })).toMatchObject({ redriven, refused: 1 - redriven });
  }
});

test('what no group is there for any more is not sent to nobody', async () => {
  const prefix = `dlq-to-${randomBytes(4).toString('hex')}`;
  const kernel = await startNode({}, redisStreams({ url, prefix }));
  const tool = await startNode({ service: 'tool' }, redisStreams({ url, prefix }));
  await buryMany(kernel, 1);
  await kernel.stop();
  await cli('XGROUP', 'DESTROY', `${prefix}:{order-events:0}:order-events`, 'shop');
  const { refused, outcomes } = await tool.dlq.redrive({ filter: {}, dryRun: true });
  expect({ refused, reason: outcomes[0]?.reason }).toMatchObject({
    refused: 1,
    reason: { code: 'EVENTS_DLQ_REFUSED', message: expect.stringContaining('no group shop in order-events') },
  });
  expect(await tool.dlq.redrive({ filter: {} })).toMatchObject({ redriven: 0, refused: 1 });
  expect(await tool.dlq.redrive({ filter: {}, to: 'all' })).toMatchObject({ redriven: 1 });
});

describe.each(Object.entries(brokers))('two groups on %s', (_, broker) => {
  /** `shop` fails as often as it is told to, `mail` handles what it is given; one event is dead in `shop`. */
  const scene = async (fail: (call: number, attempt: number) => unknown) => {
    const handle = broker();
    const shop = await startNode({}, handle());
    const mail = createKernel({ service: 'mail', logger: quiet }).use(handle());
    onTestFinished(async () => {
      await mail.stop();
    });
    const got: { shop: unknown[]; mail: unknown[] } = { shop: [], mail: [] };
    let calls = 0;
    await shop.subscribe('order.placed', ({ body }, { attempt }) => {
      const reason = body === 'last' ? undefined : fail(++calls, attempt);
      if (reason !== undefined) throw reason;
      got.shop.push(body);
    });
    return { handle, shop, mail, got };
  };
  const permanent = () => Object.assign(new Error('no'), { permanent: true });
  const dead = (kernel: Node) => until(async () => (await kernel.dlq.stats()).depth === 1, 'it is dead');
  const collect = async (bus: Pick<Node, 'subscribe'>, into: unknown[]) =>
    bus.subscribe('order.placed', ({ body }) => void into.push(body));
  /** What was published last comes last: then all before it was handled, or passed over. */
  const drained = async (shop: Node, got: { shop: unknown[]; mail: unknown[] }): Promise<void> => {
    await shop.publish('order.placed', 'last');
    await until(() => [got.shop, got.mail].every((all) => all.includes('last')), 'both have the last');
  };

  test('a redriven event reaches the group that failed, also where the other moves nothing itself', async () => {
    const { handle, shop, got } = await scene((call) => (call === 1 ? permanent() : undefined));
    const mail = await startNode({ enabled: false, service: 'mail' }, handle());
    await collect(mail, got.mail);
    await shop.publish('order.placed', 7);
    await dead(shop);
    expect(await shop.dlq.redrive({ filter: {} })).toMatchObject({ redriven: 1 });
    await drained(shop, got);
    expect(got).toEqual({ shop: [7, 'last'], mail: [7, 'last'] });
  });

  test('tried again it is still for that group, and dead again it counts on', async () => {
    const outcomes = [permanent(), new Error('once more'), permanent()];
    const { handle, shop, got } = await scene((call) => outcomes[call - 1]);
    const mail = await startNode({ service: 'mail' }, handle());
    await collect(mail, got.mail);
    await shop.publish('order.placed', 7);
    await dead(shop);
    await shop.dlq.redrive({ filter: {} });
    await dead(shop);
    expect((await shop.dlq.list()).letters).toMatchObject([{ group: 'shop', redrives: 1, attempts: 2 }]);
    expect((await shop.dlq.list()).letters[0]?.notes).not.toHaveProperty('redriveFor');
    await shop.dlq.redrive({ filter: {} });
    await drained(shop, got);
    expect(got).toEqual({ shop: [7, 'last'], mail: [7, 'last'] });
  });

  test("with to: 'all' every group gets it, and without the plugin a group always does", async () => {
    const { handle, shop, mail, got } = await scene((call) => (call < 3 ? permanent() : undefined));
    const other = await startNode({ service: 'other' }, handle());
    const others: unknown[] = [];
    await collect(other, others);
    await mail.start();
    await collect(mail as unknown as Node, got.mail);
    await shop.publish('order.placed', 7);
    await dead(shop);
    await shop.dlq.redrive({ filter: {}, to: 'all' });
    await until(() => others.length === 2, 'the other group has it twice');
    await dead(shop);
    await shop.dlq.redrive({ filter: {} });
    await drained(shop, got);
    await until(() => others.includes('last'), 'the other group has the last');
    expect({ ...got, others }).toEqual({ shop: [7, 'last'], mail: [7, 7, 7, 'last'], others: [7, 7, 'last'] });
  });
});
