import { type RedisService, redis } from '@logistically/events-conformance/services';
import type { BatchEvent, Middleware } from '@logistically/events-kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeys } from '../src/keys.ts';
import { createNode, startNode } from './node.ts';

let server: RedisService;
beforeAll(async () => {
  server = await redis({ exclusive: true });
});
afterAll(() => server.stop());

type Entry = [id: string, fields: [field: string, payload: string]];

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const eventsOf = (bodies: readonly number[]): BatchEvent[] => bodies.map((body) => ({ type: 'order.placed', body }));

/** A layer that throws in the middle of settling, after it has settled the event. */
const throwingAt = (body: number): Middleware => ({
  kind: 'middleware',
  name: 'throwing',
  publish: {
    stage: 'encode',
    layer: (next) => (batch, settle) =>
      next(batch, (event, reason) => {
        settle(event, reason);
        if (event.body === body) throw new Error('a layer');
      }),
  },
});

describe('what is on its way', () => {
  test.each([2, 100, 101, 250, 401, 1001])(
    'a batch of %i is stored in order, also by a server that has forgotten every script',
    async (count) => {
      const prefix = `order-${count}`;
      await using node = await startNode({ url: server.url, prefix });
      await node.kernel.publishBatch(eventsOf([-2, -1]));
      await server.cli('SCRIPT', 'FLUSH');
      await node.kernel.publishBatch(eventsOf(numbers(count)));
      const entries = (await server.cli('XRANGE', createKeys(prefix).stream('order-events', 0), '-', '+')) as Entry[];
      const bodies = entries.map(([, [, payload]]) => JSON.parse(payload).body);
      expect(bodies).toEqual([-2, -1, ...numbers(count)]);
    },
  );

  test('a layer that throws while it settles keeps no other event from being settled', async () => {
    await using node = createNode({ url: server.url, prefix: 'throwing' });
    node.kernel.use(throwingAt(3));
    await node.kernel.start();
    await expect(node.kernel.publishBatch(eventsOf(numbers(250)))).resolves.toHaveLength(250);
    expect(node.hears('error')).toMatchObject([{ reason: { message: 'a layer' } }]);
    expect(node.kernel.stats()).toMatchObject({ published: 250, publishing: 0 });
  });
});
