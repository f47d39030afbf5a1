import { describe, expect, test } from 'vitest';
import { createKernel, type Delivery, type HandlerContext, type Middleware } from '../src/index.ts';
import { deferred, never, Probe, silent, startProbe } from './probe.ts';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('subscribe', () => {
  test('tells the transport what it wants', async () => {
    const { kernel, probe } = await startProbe();
    await kernel.subscribe('user.created', () => {});
    await kernel.subscribe('user.*', () => {}, { group: 'g', from: 'earliest', concurrency: 5, partitions: [1] });
    await kernel.subscribe('*.created', () => {}, { from: new Date(0) });
    expect(probe.subscriptions.map(({ subscription }) => subscription)).toEqual([
      { topics: ['user-events'], group: 'shop', from: 'latest', concurrency: 1 },
      { topics: ['user-events'], group: 'g', from: 'earliest', concurrency: 5, partitions: [1] },
      { topics: 'all', group: 'shop', from: new Date(0), concurrency: 1 },
    ]);
  });

  test('before start is opened by start', async () => {
    const probe = new Probe();
    const kernel = createKernel({ service: 'shop', logger: silent }).use(probe);
    await kernel.subscribe('user.*', () => {});
    expect(probe.subscriptions).toHaveLength(0);
    await kernel.start();
    expect(probe.subscriptions).toHaveLength(1);
  });

  test('during start is opened too', async () => {
    const probe = new Probe();
    const opening = deferred();
    probe.before.open = () => opening.promise;
    const kernel = createKernel({ service: 'shop', logger: silent }).use(probe);
    const starting = kernel.start();
    const subscribing = kernel.subscribe('user.*', () => {});
    opening.resolve();
    await Promise.all([starting, subscribing]);
    expect(probe.subscriptions).toHaveLength(1);
  });

  test('gives the handler the event and its context', async () => {
    const { kernel, probe } = await startProbe({}, new Probe('mine'));
    const heard = deferred<[unknown, HandlerContext]>();
    await kernel.subscribe('user.*', (event, context) => heard.resolve([event.body, context]), { group: 'g' });
    probe.deliver('user.created', { n: 1 }, { attempt: 3, cursor: '7' });
    const [body, context] = await heard.promise;
    expect(body).toEqual({ n: 1 });
    expect(context).toMatchObject({
      transport: 'mine',
      topic: 'topic',
      partition: 0,
      group: 'g',
      cursor: '7',
      attempt: 3,
      logger: silent,
      signal: { aborted: false },
    });
  });

  test.each<[string, (kernel: Awaited<ReturnType<typeof startProbe>>['kernel']) => Promise<unknown>, string]>([
    ['no pattern', (kernel) => kernel.subscribe('user*', () => {}), 'EVENTS_INVALID_NAME'],
    ['no group', (kernel) => kernel.subscribe('a.x', () => {}, { group: 'a b' }), 'EVENTS_INVALID_NAME'],
    ['no handler', (kernel) => kernel.subscribe('a.x', undefined as never), 'EVENTS_CONFIG'],
    ['concurrency 0', (kernel) => kernel.subscribe('a.x', () => {}, { concurrency: 0 }), 'EVENTS_CONFIG'],
    ['concurrency 1.5', (kernel) => kernel.subscribe('a.x', () => {}, { concurrency: 1.5 }), 'EVENTS_CONFIG'],
    ['an unknown transport', (kernel) => kernel.subscribe('a.x', () => {}, { transport: 'no' }), 'EVENTS_NO_TRANSPORT'],
    [
      'a spent signal',
      (kernel) => kernel.subscribe('a.x', () => {}, { signal: AbortSignal.abort() }),
      'EVENTS_ABORTED',
    ],
  ])('refuses %s', async (_, subscribe, code) => {
    const { kernel, probe } = await startProbe();
    await expect(subscribe(kernel)).rejects.toMatchObject({ code });
    expect(probe.subscriptions).toHaveLength(0);
    expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
  });

  test('refuses a transport that only publishes', async () => {
    const { subscribe: _, ...rest } = {
      ...new Probe('sink'),
      open: async () => {},
      close: async () => {},
      publish: () => {},
      subscribe: 0,
    };
    const kernel = createKernel({ service: 'shop', logger: silent }).use({ ...rest, kind: 'transport' });
    await kernel.start();
    await expect(kernel.subscribe('a.x', () => {})).rejects.toMatchObject({
      code: 'EVENTS_MISSING_CAPABILITY',
      message: expect.stringContaining('sink'),
    });
  });

  test('that gets no answer is given up, and what comes late is closed', async () => {
    const probe = new Probe();
    const answer = deferred();
    probe.before.subscribe = () => answer.promise;
    const { kernel } = await startProbe({ startTimeoutMs: 20 }, probe);
    await expect(kernel.subscribe('a.x', () => {})).rejects.toMatchObject({ code: 'EVENTS_TIMEOUT' });
    const closed = deferred();
    probe.before.release = async () => closed.resolve();
    answer.resolve();
    await closed.promise;
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
  });
});

describe('a delivery', () => {
  test('is done when the handler returns or resolves, and not when it throws or rejects', async () => {
    const { kernel, probe } = await startProbe();
    const failed: unknown[] = [];
    kernel.on('failed', ({ reason }) => failed.push(reason));
    const fates: Record<string, () => unknown> = {
      'a.returns': () => 'whatever',
      'a.resolves': () => Promise.resolve(),
      'a.throws': () => {
        throw new Error('thrown');
      },
      'a.rejects': () => Promise.reject(new Error('rejected')),
    };
    await kernel.subscribe('a.*', ({ header }) => fates[header.type]?.(), { concurrency: 10 });
    const deliveries = probe.deliverAll(Object.keys(fates).map((type) => [type, 1]));
    const reasons = await Promise.all(deliveries.map((delivery) => probe.settled(delivery)));
    expect(reasons).toEqual([undefined, undefined, new Error('thrown'), new Error('rejected')]);
    expect(kernel.stats()).toMatchObject({ delivered: 4, settled: 2, failed: 2, filtered: 0, inFlight: 0 });
    expect(failed).toEqual([new Error('thrown'), new Error('rejected')]);
  });

  test('settles when its own handler is done, not when the slowest of the batch is', async () => {
    const { kernel, probe } = await startProbe();
    const slow = deferred();
    await kernel.subscribe('a.*', ({ header }) => (header.type === 'a.slow' ? slow.promise : Promise.resolve()), {
      concurrency: 2,
    });
    const [first, second] = probe.deliverAll([
      ['a.slow', 1],
      ['a.fast', 1],
    ]) as [Delivery, Delivery];
    await probe.settled(second);
    expect(probe.reasons.has(first)).toBe(false);
    expect(kernel.stats().inFlight).toBe(1);
    slow.resolve();
    await probe.settled(first);
  });

  test('that nothing can be made of is told of raw, and settled', async () => {
    const { kernel, probe } = await startProbe();
    const told: [unknown, unknown][] = [];
    kernel.on('undecodable', ({ delivery, reason }) =>
      told.push([delivery.payload, (reason as { code: string }).code]),
    );
    const handled: unknown[] = [];
    await kernel.subscribe('*', ({ body }) => handled.push(body), { concurrency: 10 });
    const deliveries = probe.deliverAll([
      ['a.x', 1],
      ['a.x', 2, { payload: 'garbage' }],
      ['not a type', 3],
      ['x.'.repeat(50_000), 4],
      ['a.x', 5],
    ]);
    expect(await Promise.all(deliveries.map((delivery) => probe.settled(delivery)))).toEqual(Array(5).fill(undefined));
    expect(handled).toEqual([1, 5]);
    expect(told.map(([, code]) => code)).toEqual(Array(3).fill('EVENTS_UNDECODABLE'));
    expect(told[0]?.[0]).toBe('garbage');
    expect(kernel.stats()).toMatchObject({ settled: 2, undecodable: 3, failed: 0 });
  });

  test('that the codec cannot read is undecodable; when the codec says otherwise, it comes back', async () => {
    const keyless = Object.assign(new Error('no key yet'), {
      code: 'EVENTS_KEYS_AWAY',
      [Symbol.for('@logistically/events/error')]: true,
    });
    const decode = (payload: unknown): never => {
      throw payload === 'later' ? keyless : new Error('mine');
    };
    const { kernel, probe } = await startProbe({ codec: { name: 'mine', encode: () => '', decode } });
    await kernel.subscribe('*', () => {}, { concurrency: 2 });
    const [never, later] = probe.deliverAll([
      ['a.x', 1, { payload: 'x' }],
      ['a.x', 1, { payload: 'later' }],
    ]) as [Delivery, Delivery];
    expect(await probe.settled(never)).toBeUndefined();
    expect(await probe.settled(later)).toBe(keyless);
    expect(kernel.stats()).toMatchObject({ undecodable: 1, failed: 1 });
  });

  test('of a type without a handler is done and counted as filtered', async () => {
    const { kernel, probe } = await startProbe();
    await kernel.subscribe('a.x', () => {});
    expect(await probe.settled(probe.deliver('a.y', 1))).toBeUndefined();
    expect(kernel.stats()).toMatchObject({ filtered: 1, settled: 1 });
  });

  test('settled twice by a layer counts once, and the layer is told of', async () => {
    const { kernel, probe } = await startProbe();
    await kernel.stop();
    const twice: Middleware = {
      kind: 'middleware',
      name: 'twice',
      consume: {
        stage: 'observe',
        layer: (next) => (batch, settle) =>
          next(batch, (event, reason) => {
            settle(event, reason);
            settle(event, new Error('again'));
          }),
      },
    };
    kernel.use(twice);
    const told: unknown[] = [];
    kernel.on('settledTwice', ({ cursor }) => told.push(cursor));
    await kernel.subscribe('a.x', () => {});
    await kernel.start();
    expect(await probe.settled(probe.deliver('a.x', 1, { cursor: '9' }))).toBeUndefined();
    expect(told).toEqual(['9']);
    expect(kernel.stats()).toMatchObject({ settled: 1, failed: 0, inFlight: 0 });
  });

  describe.each(['before', 'after'])('when a layer throws %s the handlers ran', (when) => {
    test('what is not settled yet is settled with that', async () => {
      const { kernel, probe } = await startProbe();
      await kernel.stop();
      const throwing: Middleware = {
        kind: 'middleware',
        name: 'throwing',
        consume: {
          stage: 'validate',
          layer: (next) => (batch, settle) => {
            if (when === 'after') next(batch.slice(0, 1), settle);
            throw new Error('layer');
          },
        },
      };
      kernel.use(throwing);
      await kernel.subscribe('a.x', () => {}, { concurrency: 2 });
      await kernel.start();
      const deliveries = probe.deliverAll([
        ['a.x', 1],
        ['a.x', 2],
      ]);
      const reasons = await Promise.all(deliveries.map((delivery) => probe.settled(delivery)));
      expect(reasons).toEqual([when === 'after' ? undefined : new Error('layer'), new Error('layer')]);
      expect(kernel.stats().inFlight).toBe(0);
    });
  });

  test.each(['at once', 'later'])('is settled when a layer throws while it settles, %s', async (when) => {
    const { kernel, probe } = await startProbe();
    await kernel.stop();
    kernel.use({
      kind: 'middleware',
      name: 'throwing',
      consume: {
        stage: 'validate',
        layer: (next) => (batch) =>
          next(batch, () => {
            throw new Error('layer');
          }),
      },
    });
    await kernel.subscribe('a.x', () => (when === 'later' ? tick() : undefined), { concurrency: 1 });
    await kernel.start();
    const deliveries = probe.deliverAll([
      ['a.x', 1],
      ['a.x', 2],
    ]);
    for (const delivery of deliveries) expect(await probe.settled(delivery)).toEqual(new Error('layer'));
  });
});

describe('origin isolation', () => {
  const deliverFrom = async (options: object, prefixes: readonly (string | undefined)[], pattern: string) => {
    const { kernel, probe } = await startProbe(options);
    const seen: unknown[] = [];
    await kernel.subscribe(pattern, ({ header }) => seen.push(header.originPrefix), { concurrency: 10 });
    const events = prefixes.map((originPrefix) => ['user.created', 1, { header: { originPrefix } }] as const);
    await Promise.all(probe.deliverAll(events).map((delivery) => probe.settled(delivery)));
    expect(kernel.stats()).toMatchObject({ filtered: prefixes.length - seen.length, settled: prefixes.length });
    return seen;
  };
  const all = ['eu.de', 'eu.de.berlin', 'eu', 'eu.dex', 'us.ca', undefined];

  test.each(['user.created', 'user.*', '*'])(
    'a consumer with a prefix sees its own and what lies below, by %s',
    async (pattern) => {
      expect(await deliverFrom({ originPrefix: 'eu.de' }, all, pattern)).toEqual(['eu.de', 'eu.de.berlin']);
    },
  );

  test('origins widens what it sees', async () => {
    expect(await deliverFrom({ originPrefix: 'eu.de', origins: ['us'] }, all, '*')).toEqual([
      'eu.de',
      'eu.de.berlin',
      'us.ca',
    ]);
    expect(await deliverFrom({ originPrefix: 'eu.de', origins: '*' }, all, '*')).toEqual(all);
  });

  test('a consumer without a prefix sees all', async () => {
    expect(await deliverFrom({}, all, '*')).toEqual(all);
  });
});

describe('handlers of one group', () => {
  test('all that take the event are called; it is done when all are done', async () => {
    const { kernel, probe } = await startProbe();
    const slow = deferred();
    const called: string[] = [];
    await kernel.subscribe('user.created', () => called.push('exact'));
    await kernel.subscribe('user.*', () => {
      called.push('pattern');
      return slow.promise;
    });
    await kernel.subscribe('order.*', () => called.push('other'));
    const delivery = probe.deliver('user.created', 1);
    await tick();
    expect(called).toEqual(['exact', 'pattern']);
    expect(probe.reasons.size).toBe(0);
    slow.resolve();
    expect(await probe.settled(delivery)).toBeUndefined();
  });

  test('if some failed, those that succeeded are not called again when it comes back', async () => {
    const { kernel, probe } = await startProbe();
    const called: string[] = [];
    await kernel.subscribe('user.created', () => void called.push('good'));
    await kernel.subscribe('user.*', (_, { attempt }) => {
      called.push('bad');
      if (attempt < 3) throw new Error('not yet');
    });
    const settle = async (attempt: number) => probe.settled(probe.deliver('user.created', 1, { cursor: 'c', attempt }));
    expect(await settle(1)).toEqual(new Error('not yet'));
    expect(await settle(2)).toEqual(new Error('not yet'));
    expect(await settle(3)).toBeUndefined();
    expect(called).toEqual(['good', 'bad', 'bad', 'bad']);
    await settle(3);
    expect(called).toEqual(['good', 'bad', 'bad', 'bad', 'good', 'bad']);
  });

  test('another group has its own', async () => {
    const { kernel, probe } = await startProbe();
    const called: string[] = [];
    await kernel.subscribe('user.*', () => called.push('a'), { group: 'a' });
    await kernel.subscribe('user.*', () => called.push('b'), { group: 'b' });
    await probe.settled(probe.deliver('user.created', 1, { by: 1 }));
    expect(called).toEqual(['b']);
  });

  test('without the capability groups each subscription has its own', async () => {
    const probe = new Probe('poor', {});
    const { kernel } = await startProbe({}, probe);
    const called: string[] = [];
    await kernel.subscribe('user.*', () => called.push('a'));
    await kernel.subscribe('user.*', () => called.push('b'));
    await probe.settled(probe.deliver('user.created', 1, { by: 0 }));
    await probe.settled(probe.deliver('user.created', 1, { by: 1 }));
    expect(called).toEqual(['a', 'b']);
  });

  test('none works on more events than its concurrency, and each keeps the order', async () => {
    const { kernel, probe } = await startProbe();
    const order: unknown[] = [];
    let running = 0;
    let most = 0;
    await kernel.subscribe('user.*', async ({ body }) => {
      most = Math.max(most, ++running);
      await tick();
      running--;
      order.push(body);
    });
    await kernel.subscribe('user.created', () => {}, { concurrency: 50 });
    const deliveries = [
      ...probe.deliverAll(
        Array.from({ length: 20 }, (_, n) => ['user.created', n] as const),
        1,
      ),
      ...probe.deliverAll(
        Array.from({ length: 20 }, (_, n) => ['user.updated', 20 + n] as const),
        0,
      ),
    ];
    await Promise.all(deliveries.map((delivery) => probe.settled(delivery)));
    expect(most).toBe(1);
    expect(order).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  test('100 000 that wait for one handler that then returns at once overflow no stack', async () => {
    const { kernel, probe } = await startProbe();
    const first = deferred();
    let calls = 0;
    await kernel.subscribe('a.x', () => (++calls === 1 ? first.promise : undefined));
    const deliveries = probe.deliverAll(Array.from({ length: 100_000 }, () => ['a.x', 1] as const));
    expect(calls).toBe(1);
    first.resolve();
    await probe.settled(deliveries.at(-1) as Delivery);
    expect(calls).toBe(100_000);
  });

  test('what is delivered while another is settled comes after those that wait', async () => {
    const { kernel, probe } = await startProbe();
    const first = deferred();
    const order: unknown[] = [];
    await kernel.subscribe('a.x', ({ body }) => {
      order.push(body);
      return body === 1 ? first.promise : undefined;
    });
    const [, second] = probe.deliverAll([1, 2, 3].map((body) => ['a.x', body] as const));
    const last = deferred<Delivery>();
    probe.onSettled = (delivery) => {
      if (delivery === second) last.resolve(probe.deliver('a.x', 4));
    };
    first.resolve();
    await probe.settled(await last.promise);
    expect(order).toEqual([1, 2, 3, 4]);
  });
});

describe('unsubscribe', () => {
  test('stops reading, lets the handler finish, then lets go; twice is once', async () => {
    const { kernel, probe } = await startProbe();
    const work = deferred();
    const subscription = await kernel.subscribe('a.x', () => work.promise);
    const delivery = probe.deliver('a.x', 1);
    const unsubscribing = subscription.unsubscribe();
    expect(subscription.unsubscribe()).toBe(unsubscribing);
    await tick();
    expect(probe.subscriptions[0]?.calls).toEqual(['stop']);
    work.resolve();
    await unsubscribing;
    expect(await probe.settled(delivery)).toBeUndefined();
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
    await kernel.stop();
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
  });

  test('leaves the other subscriptions of its group alone, their signals too', async () => {
    const { kernel, probe } = await startProbe();
    const contexts: HandlerContext[] = [];
    const hold = (_: unknown, context: HandlerContext) => {
      contexts.push(context);
      void context.signal;
      return never();
    };
    const first = await kernel.subscribe('a.x', hold);
    await kernel.subscribe('a.y', hold);
    probe.deliver('a.x', 1, { by: 0 });
    probe.deliver('a.y', 1, { by: 1 });
    await first.unsubscribe(40);
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    expect(probe.subscriptions[1]?.calls).toEqual([]);
    expect(await kernel.stop(40)).toMatchObject({ unsettled: 1 });
  });

  test('comes by the signal too, also while the subscription opens', async () => {
    const { kernel, probe } = await startProbe();
    const controller = new AbortController();
    const ended = deferred();
    kernel.on('unsubscribed', () => ended.resolve());
    await kernel.subscribe('a.x', () => {}, { signal: controller.signal });
    controller.abort();
    await ended.promise;
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);

    const opening = deferred();
    probe.before.subscribe = () => opening.promise;
    const second = new AbortController();
    const subscribing = kernel.subscribe('a.x', () => {}, { signal: second.signal });
    second.abort();
    opening.resolve();
    await expect(subscribing).rejects.toMatchObject({ code: 'EVENTS_ABORTED' });
    expect(probe.subscriptions[1]?.calls).toContain('close');
  });

  test('of a kernel that is stopped ends it for good', async () => {
    const { kernel, probe } = await startProbe();
    const subscription = await kernel.subscribe('a.x', () => {});
    await kernel.stop();
    await subscription.unsubscribe();
    await kernel.start();
    expect(probe.subscriptions).toHaveLength(1);
  });
});
