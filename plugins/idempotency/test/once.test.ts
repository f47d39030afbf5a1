import { createKernel, EventsError } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { describe, expect, test } from 'vitest';
import { idempotency } from '../src/index.ts';
import { startNode, until } from './node.ts';

const gate = () => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
};

describe('a duplicate', () => {
  test('is settled without calling the handler, counted, and told of', async () => {
    await using node = await startNode({ copies: 3, leaseMs: 40 });
    const handled: unknown[] = [];
    await node.kernel.subscribe('order.*', ({ body }) => void handled.push(body), { concurrency: 10 });
    await node.kernel.publishBatch(['a', 'b'].map((body) => ({ type: 'order.placed', body })));
    await until(() => node.kernel.idempotency.stats().duplicates === 4, 'four duplicates');
    expect(handled.sort()).toEqual(['a', 'b']);
    expect(node.notices).toHaveLength(4);
    expect(node.notices[0]).toMatchObject({
      plugin: 'idempotency',
      what: 'duplicate',
      detail: { group: 'shop', topic: 'order-events' },
    });
    expect(JSON.stringify(node.notices)).not.toContain('"b"');
  });

  test('in another group is none', async () => {
    await using node = await startNode();
    const groups: string[] = [];
    for (const group of ['mail', 'stock'])
      await node.kernel.subscribe('order.*', (_, context) => void groups.push(context.group), { group });
    await node.kernel.publish('order.placed', 1);
    await until(() => groups.length === 2, 'both groups have it');
  });

  test('waits while the first is at work in another consumer, holds no slot, and is then dropped', async () => {
    const broker = memory();
    await using first = await startNode({ broker, copies: 2, leaseMs: 60 });
    await using second = await startNode({ broker, leaseMs: 60 });
    const work = gate();
    const handled: unknown[] = [];
    const reasons: unknown[] = [];
    for (const { kernel } of [first, second]) kernel.on('failed', ({ reason }) => reasons.push(reason));
    for (const { kernel } of [first, second])
      await kernel.subscribe('order.*', async ({ body }) => {
        handled.push(body);
        if (body === 'slow') await work.opened;
      });
    await first.kernel.publish('order.placed', 'slow');
    const waits = () => first.kernel.idempotency.stats().waits + second.kernel.idempotency.stats().waits;
    await until(() => waits() >= 1, 'the duplicate met the claim');
    await first.kernel.publish('order.placed', 'next');
    await until(() => handled.includes('next'), 'the slot is free for another event');
    await until(() => waits() >= 4, 'the claim outlives its lease several times');
    expect(reasons[0]).toMatchObject({ code: 'EVENTS_IDEMPOTENCY_BUSY', uncounted: true });
    expect(handled).toEqual(['slow', 'next']);
    work.open();
    const dropped = () => first.kernel.idempotency.stats().duplicates + second.kernel.idempotency.stats().duplicates;
    await until(() => dropped() === 1, 'the duplicate is dropped');
    expect(handled).toEqual(['slow', 'next']);
  });

  test('is handled again when its time to live is over', async () => {
    await using node = await startNode({ by: ({ body }) => String(body), leaseMs: 20, ttlMs: 60 });
    let handled = 0;
    await node.kernel.subscribe('order.*', () => void handled++);
    await until(async () => {
      await node.kernel.publish('order.placed', 'same');
      return handled === 2;
    }, 'it is handled a second time');
    expect(node.kernel.idempotency.stats().duplicates).toBeGreaterThan(0);
  });
});

describe('what makes two events the same', () => {
  const handledBy = async (by: Parameters<typeof idempotency>[0], bodies: readonly unknown[]): Promise<unknown[]> => {
    await using node = await startNode({ leaseMs: 40, ...by });
    const handled: unknown[] = [];
    await node.kernel.subscribe('*', ({ header, body }) => void handled.push([header.type, body]));
    for (const body of bodies) await node.kernel.publish('order.placed', body);
    await node.kernel.publish('order.paid', bodies[0]);
    await until(
      () => handled.length + node.kernel.idempotency.stats().duplicates === bodies.length + 1,
      'all are settled',
    );
    return handled;
  };
  const a = { x: 1, y: 2 };

  test('by id: every event is another', async () => {
    expect(await handledBy({}, [a, a])).toHaveLength(3);
  });

  test('by hash: the type and the body, whatever the order of its fields', async () => {
    expect(await handledBy({ by: 'hash' }, [a, { y: 2, x: 1 }, { x: 2 }])).toEqual([
      ['order.placed', a],
      ['order.placed', { x: 2 }],
      ['order.paid', a],
    ]);
  });

  test('by function: any text, however long or odd', async () => {
    const key = (length: number): string => `order 7/{☃}\n${'k'.repeat(length)}`;
    const handled = await handledBy({ by: ({ body }) => key(Number(body)) }, [10_000, 10_000, 10_001]);
    expect(handled.map((each) => (each as unknown[])[1])).toEqual([10_000, 10_001]);
  });

  test('a key that is none fails the event alone, for good', async () => {
    await using node = await startNode({ by: ({ body }) => body as string });
    const failed: unknown[] = [];
    node.kernel.on('failed', ({ reason }) => failed.push(reason));
    const handled: unknown[] = [];
    await node.kernel.subscribe('order.*', ({ body }) => void handled.push(body), { concurrency: 3 });
    await node.kernel.publishBatch([7, '', 'good'].map((body) => ({ type: 'order.placed', body })));
    await until(() => failed.length >= 2 && handled.length === 1, 'two fail, one is handled');
    expect(failed[0]).toMatchObject({ code: 'EVENTS_IDEMPOTENCY_KEY', permanent: true });
  });
});

describe('a claim', () => {
  test('of a handler that failed is free for the retry at once', async () => {
    await using node = await startNode({ leaseMs: 60_000 });
    const attempts: number[] = [];
    await node.kernel.subscribe('order.*', (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new EventsError('EVENTS_TEST', 'no', { retryAfterMs: 0 });
    });
    await node.kernel.publish('order.placed', 1);
    await until(() => attempts.length === 3, 'three attempts');
    expect(attempts).toEqual([1, 2, 3]);
    expect(node.kernel.idempotency.stats()).toMatchObject({ duplicates: 0, waits: 0 });
  });

  test('that somebody else has taken aborts the handler, and its success counts all the same', async () => {
    let key = '';
    const aborts: unknown[] = [];
    const broker = memory();
    await using other = await startNode({
      broker,
      leaseMs: 40,
      store: (own) => ({
        setIfAbsent: (name, value, options) => {
          key = name;
          return own.setIfAbsent(name, value, options);
        },
      }),
    });
    await other.kernel.subscribe('order.*', async (_, { signal }) => {
      await broker.capabilities.store.set(key, 'claim 0 somebody', { ttlMs: 60_000 });
      await until(() => signal.aborted, 'the handler is told');
      aborts.push(signal.reason);
    });
    await other.kernel.publish('order.placed', 1);
    await until(async () => (await broker.capabilities.store.get(key)) === 'done', 'it is done');
    expect(aborts).toMatchObject([{ code: 'EVENTS_IDEMPOTENCY_LOST' }]);
    expect(other.notices).toMatchObject([{ what: 'lost' }]);
  });

  test('keeps a duplicate waiting for about as long as it is old, not for the rest of its lease', async () => {
    await using node = await startNode({ leaseMs: 60_000, by: () => 'one' });
    const work = gate();
    let calls = 0;
    await node.kernel.subscribe(
      'order.*',
      () => {
        calls++;
        return work.opened;
      },
      { concurrency: 2 },
    );
    await node.kernel.publish('order.placed', 1);
    await node.kernel.publish('order.placed', 2);
    await until(() => node.kernel.idempotency.stats().waits > 1, 'the duplicate asks again');
    work.open();
    await until(() => node.kernel.idempotency.stats().duplicates === 1, 'it is dropped');
    expect(calls).toBe(1);
  });

  test('that was wiped out is taken again while its handler works', async () => {
    const broker = memory();
    const keys: string[] = [];
    await using node = await startNode({
      broker,
      leaseMs: 40,
      store: (own) => ({
        setIfAbsent: (name, value, options) => {
          keys.push(name);
          return own.setIfAbsent(name, value, options);
        },
      }),
    });
    const { store } = broker.capabilities;
    let aborted = false;
    await node.kernel.subscribe('order.*', async (_, { signal }) => {
      await store.delete(keys[0] as string);
      await until(() => store.get(keys[0] as string), 'the claim is back');
      aborted = signal.aborted;
    });
    await node.kernel.publish('order.placed', 1);
    await until(async () => (await store.get(keys[0] as string)) === 'done', 'it is done');
    expect(aborted).toBe(false);
  });

  test('of a handler that succeeds after its subscription has ended is done: nobody is called again', async () => {
    await using node = await startNode({ leaseMs: 60_000 });
    const work = gate();
    let began = false;
    const subscription = await node.kernel.subscribe('order.*', () => {
      began = true;
      return work.opened;
    });
    await node.kernel.publish('order.placed', 1);
    await until(() => began, 'it is being handled');
    await subscription.unsubscribe(20);
    work.open();
    let again = 0;
    await node.kernel.subscribe('order.*', () => void again++);
    await until(() => node.kernel.idempotency.stats().duplicates === 1, 'what was handed back is dropped');
    expect(again).toBe(0);
  });

  test('of a handler that never ends is released when the kernel stops', async () => {
    const broker = memory();
    const hung = await startNode({ broker, leaseMs: 60_000 });
    let began = false;
    await hung.kernel.subscribe('order.*', () => {
      began = true;
      return new Promise(() => {});
    });
    await hung.kernel.publish('order.placed', 1);
    await until(() => began, 'it is being handled');
    await hung.kernel.stop(200);
    await using other = await startNode({ broker, leaseMs: 60_000 });
    let handled = 0;
    await other.kernel.subscribe('order.*', () => void handled++);
    await until(() => handled === 1, 'the other one handles it');
  });
});

describe('a store that fails', () => {
  const down = async (): Promise<never> => {
    throw new EventsError('EVENTS_TEST_DOWN', 'The store is down.', { retryAfterMs: 5 });
  };

  test('frees what failed as soon as it is back, not when the lease is over', async () => {
    let refused = 0;
    await using node = await startNode({
      leaseMs: 60_000,
      store: (store) => ({
        compareAndSet: (...args) => (args[2] === 'free' && refused++ < 2 ? down() : store.compareAndSet(...args)),
      }),
    });
    const attempts: number[] = [];
    await node.kernel.subscribe('order.*', (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 2) throw new EventsError('EVENTS_TEST', 'no', { retryAfterMs: 0 });
    });
    await node.kernel.publish('order.placed', 1);
    await until(() => attempts.length === 2, 'it is handled again');
    expect(attempts).toEqual([1, 2]);
    expect(node.errors).toMatchObject([{ source: 'idempotency', reason: { code: 'EVENTS_TEST_DOWN' } }]);
  });

  test('keeps events from being handled, until it is back', async () => {
    let broken = true;
    const failed: unknown[] = [];
    await using node = await startNode({
      store: (store) => ({
        setIfAbsent: (...args) => (broken ? down() : store.setIfAbsent(...args)),
      }),
    });
    node.kernel.on('failed', ({ reason }) => failed.push(reason));
    const handled: unknown[] = [];
    await node.kernel.subscribe('order.*', ({ body }) => void handled.push(body));
    await node.kernel.publish('order.placed', 'patient');
    await until(() => failed.length > 2, 'it fails and comes back');
    expect(failed[0]).toMatchObject({
      code: 'EVENTS_IDEMPOTENCY_STORE',
      uncounted: true,
      cause: { code: 'EVENTS_TEST_DOWN' },
    });
    expect(handled).toEqual([]);
    broken = false;
    await until(() => handled.length === 1, 'it is handled');
  });

  test('after a handler succeeded leaves the event done, and is told again until it has heard', async () => {
    let broken = true;
    let kept = '';
    await using node = await startNode({
      leaseMs: 40,
      store: (store) => ({
        set: (key, value, options) => {
          if (broken) return down();
          kept = value;
          return store.set(key, value, options);
        },
      }),
    });
    let handled = 0;
    await node.kernel.subscribe('order.*', () => void handled++);
    await node.kernel.publish('order.placed', 1);
    await until(() => node.kernel.stats().settled === 1, 'it is settled as done');
    await until(() => node.errors.length > 2, 'the store is tried again');
    broken = false;
    await until(() => kept === 'done', 'it is remembered');
    expect(handled).toBe(1);
  });
});

test('where a transport has no groups, every subscription gets every event', async () => {
  // A broker for each subscription is what a transport without groups comes to.
  const broker = memory();
  const { groups: _, ...poor } = broker.capabilities;
  const subscribe: NonNullable<typeof broker.subscribe> = (subscription, deliver) =>
    (broker.subscribe as typeof subscribe)({ ...subscription, group: `own-${++members}` }, deliver);
  let members = 0;
  const kernel = createKernel({ service: 'shop' })
    .use({ ...broker, subscribe, capabilities: poor })
    .use(idempotency());
  await kernel.start();
  const handled: string[] = [];
  await kernel.subscribe('order.placed', () => void handled.push('exact'));
  await kernel.subscribe('order.*', () => void handled.push('pattern'));
  await kernel.publish('order.placed', 1);
  await until(() => handled.length === 2, 'both are handled');
  expect(handled.sort()).toEqual(['exact', 'pattern']);
  await kernel.stop();
});

test.each([{ leaseMs: 0 }, { leaseMs: Number.NaN }, { ttlMs: 10, leaseMs: 100 }, { by: 'type' as 'id' }])(
  'refuses %j at once',
  (options) => {
    expect(() => idempotency(options)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
  },
);
