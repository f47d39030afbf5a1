import { EventsError } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { expect, test } from 'vitest';
import { startNode, until } from './node.ts';

const byBody = { by: ({ body }: { body: unknown }) => (body as { once?: string }).once };
const A = { once: 'a' };

const stored = async (broker: ReturnType<typeof memory>): Promise<number> =>
  (await broker.capabilities.log.read('order-events').catch(() => [])).length;

test('an event that was stored is not stored again, by this producer or another of the service', async () => {
  const broker = memory();
  await using one = await startNode({ broker, produce: byBody });
  await using two = await startNode({ broker, produce: byBody });
  await one.kernel.publish('order.placed', A);
  await one.kernel.publish('order.placed', A);
  await two.kernel.publish('order.placed', A);
  expect(await stored(broker)).toBe(1);
  expect(one.kernel.idempotency.stats().published + two.kernel.idempotency.stats().published).toBe(2);
  expect(one.notices).toMatchObject([{ what: 'published', detail: { type: 'order.placed', topic: 'order-events' } }]);
  await one.kernel.publishBatch(['b', 'b', 'c'].map((once) => ({ type: 'order.placed', body: { once } })));
  await one.kernel.publish('order.placed', {});
  await one.kernel.publish('order.placed', {});
  expect(await stored(broker)).toBe(5);
});

test('those that are published meanwhile share the fate of the first, and a failure frees the key', async () => {
  const broker = memory();
  const held: (() => void)[] = [];
  let fails = true;
  const publish: typeof broker.publish = (batch, settle) =>
    void held.push(() => {
      if (fails) for (const event of batch) settle(event, new EventsError('EVENTS_TEST', 'no'));
      else broker.publish(batch, settle);
    });
  await using node = await startNode({ broker: { ...broker, publish }, produce: byBody, leaseMs: 60_000 });
  const both = Promise.allSettled([1, 2].map(() => node.kernel.publish('order.placed', A)));
  await until(() => held.length === 1, 'the first is on its way');
  held[0]?.();
  expect(await both).toMatchObject([{ reason: { code: 'EVENTS_TEST' } }, { reason: { code: 'EVENTS_TEST' } }]);
  fails = false;
  const again = [1, 2].map(() => node.kernel.publish('order.placed', A));
  await until(() => held.length === 2, 'it is tried again');
  held[1]?.();
  await Promise.all(again);
  expect(await stored(broker)).toBe(1);
});

test('one that is on its way in another process is refused, to be tried again', async () => {
  const broker = memory();
  let let_go = (): void => {};
  const publish: typeof broker.publish = (batch, settle) => {
    let_go = () => broker.publish(batch, settle);
  };
  await using slow = await startNode({ broker: { ...broker, publish }, produce: byBody });
  await using other = await startNode({ broker, produce: byBody });
  const first = slow.kernel.publish('order.placed', A);
  await until(
    () =>
      other.kernel.publish('order.placed', A).then(
        () => false,
        ({ code, retryAfterMs }: EventsError) => code === 'EVENTS_IDEMPOTENCY_BUSY' && (retryAfterMs ?? 0) > 0,
      ),
    'it is refused',
  );
  let_go();
  await first;
  expect(await stored(broker)).toBe(1);
});
