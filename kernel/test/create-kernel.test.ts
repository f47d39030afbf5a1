import { describe, expect, test } from 'vitest';
import {
  CONSUME_STAGES,
  createKernel,
  type Feature,
  type Host,
  type Middleware,
  PUBLISH_STAGES,
} from '../src/index.ts';
import { deferred, never, Probe, silent, startProbe } from './probe.ts';

const create = (options = {}) => createKernel({ service: 'shop', logger: silent, ...options });
const feature = (name: string, setup: (host: Host) => object = () => ({}), rest: Partial<Feature> = {}): Feature => ({
  kind: 'feature',
  name,
  setup,
  ...rest,
});
const coded = (code: string, text = '') => expect.objectContaining({ code, message: expect.stringContaining(text) });

test.each([undefined, '', 'a b', 'a/b', 'x'.repeat(256), 7])('%j is no service', (service) => {
  expect(() => createKernel({ service: service as string })).toThrow(coded('EVENTS_INVALID_NAME'));
});

test('an originPrefix is a dotted name', () => {
  expect(() => create({ originPrefix: 'eu/de' })).toThrow(coded('EVENTS_INVALID_NAME'));
  expect(() => create({ originPrefix: 'eu.de' })).not.toThrow();
});

describe('use', () => {
  test('refuses a second plugin of a name, but a feature may be named as a transport is', () => {
    const middleware: Middleware = { kind: 'middleware', name: 'a' };
    expect(() => create().use(new Probe('a')).use(new Probe('a'))).toThrow(
      coded('EVENTS_DUPLICATE_NAME', 'transport named a'),
    );
    expect(() => create().use(middleware).use(middleware)).toThrow(coded('EVENTS_DUPLICATE_NAME'));
    expect(() => create().use(feature('a')).use(feature('a'))).toThrow(coded('EVENTS_DUPLICATE_NAME'));
    expect(() => create().use(new Probe('a')).use(middleware).use(feature('a'))).not.toThrow();
  });

  test('refuses an API that is there already', () => {
    expect(() => create().use(feature('greedy', () => ({ publish: 1 })))).toThrow(
      coded('EVENTS_DUPLICATE_NAME', 'publish'),
    );
    const twice = create().use(feature('a', () => ({ tool: 1 })));
    expect(() => twice.use(feature('b', () => ({ tool: 2 })))).toThrow(coded('EVENTS_DUPLICATE_NAME', 'tool'));
  });

  test('refuses what is no plugin, as a factory that was not called', () => {
    function memory() {}
    for (const plugin of [memory, {}, { kind: 'nothing', name: 'x' }])
      expect(() => create().use(plugin as never)).toThrow(coded('EVENTS_CONFIG'));
    expect(() => create().use(memory as never)).toThrow(coded('EVENTS_CONFIG', 'memory'));
  });

  test('refuses to come after start', async () => {
    const { kernel } = await startProbe();
    expect(() => kernel.use(new Probe('late'))).toThrow(coded('EVENTS_CONFIG', 'late'));
  });

  test('gives the kernel what a feature gives', () => {
    const kernel = create().use({
      kind: 'feature',
      name: 'tool',
      setup: () => ({ tool: { answer: () => 42 } }),
    } as const);
    expect(kernel.tool.answer()).toBe(42);
  });
});

describe('stages', () => {
  const named = (name: string, trace: string[], publish: number, consume: number): Middleware => ({
    kind: 'middleware',
    name,
    publish: {
      stage: PUBLISH_STAGES[publish] as (typeof PUBLISH_STAGES)[number],
      layer: (next) => (batch, settle) => {
        trace.push(name);
        next(batch, settle);
      },
    },
    consume: {
      stage: CONSUME_STAGES[consume] as (typeof CONSUME_STAGES)[number],
      layer: (next) => (batch, settle) => {
        trace.push(name);
        next(batch, settle);
      },
    },
  });

  test.each([
    ['in order', false],
    ['in reverse', true],
  ])('decide the order of layers, used %s', async (_, reverse) => {
    const trace: string[] = [];
    const layers = PUBLISH_STAGES.map((stage, index) =>
      named(`${stage}/${CONSUME_STAGES[index]}`, trace, index, index),
    );
    const { kernel, probe } = await startProbe();
    await kernel.stop();
    for (const layer of reverse ? layers.toReversed() : layers) kernel.use(layer);
    await kernel.subscribe('a.x', () => {});
    await kernel.start();
    await kernel.publish('a.x', 1);
    expect(trace.map((name) => name.split('/')[0])).toEqual([...PUBLISH_STAGES]);
    trace.length = 0;
    await probe.settled(probe.deliver('a.x', 1));
    expect(trace.map((name) => name.split('/')[1])).toEqual([...CONSUME_STAGES]);
  });

  test('within a stage use order holds; what was encoded last is decoded first, and before the codec', async () => {
    const trace: string[] = [];
    const encode = PUBLISH_STAGES.indexOf('encode');
    const { kernel, probe } = await startProbe();
    await kernel.stop();
    kernel.use(named('zip', trace, encode, CONSUME_STAGES.indexOf('decode')));
    kernel.use(named('seal', trace, encode, CONSUME_STAGES.indexOf('decode')));
    await kernel.subscribe('a.x', () => trace.push('handler'));
    await kernel.start();
    await kernel.publish('a.x', 1);
    await probe.settled(probe.deliver('a.x', 1));
    await probe.settled(probe.deliver('a.x', 1, { payload: 'garbage' }));
    expect(trace).toEqual(['zip', 'seal', 'seal', 'zip', 'handler', 'seal', 'zip']);
  });
});

describe('start', () => {
  test('refuses to go without a transport, and to go twice', async () => {
    await expect(create().start()).rejects.toEqual(coded('EVENTS_NO_TRANSPORT'));
    const { kernel } = await startProbe();
    await expect(kernel.start()).rejects.toEqual(coded('EVENTS_CONFIG', 'running'));
  });

  test('opens transports, then features, then subscriptions', async () => {
    const probe = new Probe();
    const kernel = create()
      .use(probe)
      .use(
        feature('f', ({ onStart, onStop }) => {
          onStart(() => void probe.calls.push(`feature on ${probe.subscriptions.length}`));
          onStop(() => void probe.calls.push('feature off'));
          return {};
        }),
      );
    kernel.on('started', () => probe.calls.push('started'));
    kernel.on('stopping', () => probe.calls.push('stopping'));
    kernel.on('stopped', () => probe.calls.push('stopped'));
    await kernel.subscribe('a.x', () => {});
    expect(await kernel.start()).toBe(kernel);
    await kernel.stop();
    const calls = ['open', 'feature on 0', 'started', 'stopping', 'feature off', 'close', 'stopped'];
    expect(probe.calls).toEqual(calls);
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
  });

  test('closes again what it opened when something fails, and can be tried again', async () => {
    const [first, second, third] = ['a', 'b', 'c'].map((name) => new Probe(name)) as [Probe, Probe, Probe];
    const kernel = create().use(first).use(second).use(third);
    second.before.open = () => Promise.reject(new Error('no broker'));
    await expect(kernel.start()).rejects.toThrow('no broker');
    expect([first.calls, second.calls, third.calls]).toEqual([['open', 'close'], ['open'], []]);
    second.before = {};
    await kernel.start();
    await kernel.publish('a.x', 1);
    expect(third.calls).toEqual(['open']);
  });

  test('fails when a subscription cannot be opened, and closes the others', async () => {
    const probe = new Probe();
    const kernel = create().use(probe);
    await kernel.subscribe('a.x', () => {});
    await kernel.subscribe('b.x', () => {});
    let opened = 0;
    probe.before.subscribe = async () => {
      if (++opened === 2) throw new Error('no group');
    };
    await expect(kernel.start()).rejects.toThrow('no group');
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
    expect(probe.calls).toEqual(['open', 'close']);
  });

  test.each(['open', 'subscribe'] as const)('gives up when %s never answers, and still closes', async (step) => {
    const probe = new Probe();
    probe.before[step] = never;
    const kernel = create({ startTimeoutMs: 20, stopTimeoutMs: 200 }).use(probe);
    await kernel.subscribe('a.x', () => {});
    await expect(kernel.start()).rejects.toEqual(coded('EVENTS_TIMEOUT'));
    expect(probe.calls).toEqual(['open', 'close']);
    expect((await kernel.health()).problems).toEqual([{ source: 'kernel', problem: expect.stringContaining('new') }]);
  });

  test('is given up by stop', async () => {
    const probe = new Probe();
    const opening = deferred();
    probe.before.open = () => opening.promise;
    const kernel = create().use(probe);
    const starting = kernel.start();
    const refused = expect(starting).rejects.toEqual(coded('EVENTS_ABORTED'));
    expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
    opening.resolve();
    await refused;
    expect(probe.calls).toEqual(['open', 'close']);
    probe.before = {};
    await kernel.start();
    expect(probe.calls).toEqual(['open', 'close', 'open']);
  });
});

describe('capabilities', () => {
  const needy = feature('dlq', () => ({}), { requires: ['handoff', 'groups'] as never });

  test('that no transport has are refused by name at start', async () => {
    const kernel = create()
      .use(new Probe('poor', { order: 'topic' }))
      .use(needy as never);
    await expect(kernel.start()).rejects.toMatchObject({
      code: 'EVENTS_MISSING_CAPABILITY',
      message: expect.stringMatching(/dlq.*handoff.*groups.*poor.*order/),
    });
  });

  test('are taken from the first transport that has all, or from the one that is named', async () => {
    const handoff = { move: async () => {}, moveEntry: async () => true, remove: async () => true };
    const [poor, rich, richer] = [
      new Probe('poor', { groups: true }),
      new Probe('rich', { groups: true, handoff }),
      new Probe('richer', { groups: true, handoff }),
    ];
    const hosts: Host[] = [];
    const remember = (name: string, rest: object) => ({
      ...needy,
      name,
      ...rest,
      setup: (host: Host) => hosts.push(host) && {},
    });
    const kernel = create().use(poor).use(rich).use(richer);
    kernel.use(remember('a', {}) as never);
    kernel.use(remember('b', { transport: 'richer' }) as never);
    await kernel.start();
    expect(hosts.map((host) => host.transport())).toEqual([rich, richer]);
    const refused = create()
      .use(poor)
      .use(rich)
      .use({ ...needy, transport: 'poor' } as never);
    await expect(refused.start()).rejects.toEqual(coded('EVENTS_MISSING_CAPABILITY'));
  });
});

describe('stop', () => {
  test('without start, and a second time, has nothing to do; at the same time it is one', async () => {
    expect(await create().stop()).toEqual({ unsettled: 0, unpublished: 0 });
    const { kernel, probe } = await startProbe();
    const reports = await Promise.all([kernel.stop(), kernel.stop()]);
    expect(reports[0]).toBe(reports[1]);
    await kernel.stop();
    expect(probe.calls).toEqual(['open', 'close']);
  });

  test('lets handlers finish, and what they publish', async () => {
    const { kernel, probe } = await startProbe();
    const work = deferred();
    await kernel.subscribe('a.x', async () => {
      await work.promise;
      await kernel.publish('b.x', 1);
    });
    const delivery = probe.deliver('a.x', 1);
    const stopping = kernel.stop();
    work.resolve();
    expect(await stopping).toEqual({ unsettled: 0, unpublished: 0 });
    expect(await probe.settled(delivery)).toBeUndefined();
    expect(probe.published).toHaveLength(1);
  });

  test('fires the signals when time is up, hands back what is left, and reports it', async () => {
    const { kernel, probe } = await startProbe();
    const signals: AbortSignal[] = [];
    await kernel.subscribe(
      'a.x',
      (_, { signal }) => {
        signals.push(signal);
        return never();
      },
      { concurrency: 2 },
    );
    await kernel.subscribe(
      'a.y',
      (_, { signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    );
    const stuck = probe.deliver('a.x', 1);
    const polite = probe.deliver('a.y', 1, { by: 1 });
    probe.onPublish = () => {};
    const unanswered = kernel.publish('b.x', 1);
    unanswered.catch(() => {});
    expect(await kernel.stop(60)).toEqual({ unsettled: 1, unpublished: 1 });
    expect(signals[0]?.reason).toMatchObject({ code: 'EVENTS_ABORTED' });
    expect(await probe.settled(polite)).toBeUndefined();
    expect(probe.reasons.has(stuck)).toBe(false);
    expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
  });

  test('begins no handler once time is up, and settles nothing that was handed back', async () => {
    const { kernel, probe } = await startProbe();
    const work = deferred();
    const handled: unknown[] = [];
    await kernel.subscribe('a.x', ({ body }) => {
      handled.push(body);
      return work.promise;
    });
    probe.deliverAll([
      ['a.x', 1],
      ['a.x', 2],
    ]);
    expect(await kernel.stop(30)).toMatchObject({ unsettled: 2 });
    work.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(handled).toEqual([1]);
    expect(probe.reasons.size).toBe(0);
  });

  test.each(['stop', 'release', 'close'] as const)(
    'ends by its deadline when %s of the transport hangs',
    async (step) => {
      const { kernel, probe } = await startProbe();
      probe.before[step] = never;
      await kernel.subscribe('a.x', () => {});
      await kernel.stop(50);
      expect(probe.calls).toEqual(['open', 'close']);
      expect(probe.subscriptions[0]?.calls).toEqual(['stop', 'close']);
    },
  );

  test('goes on when a feature fails or hangs', async () => {
    const probe = new Probe();
    const done: string[] = [];
    const kernel = create().use(probe);
    const stoppers = { first: () => done.push('first'), broken: () => Promise.reject(new Error('no')), hangs: never };
    for (const [name, task] of Object.entries(stoppers))
      kernel.use(feature(name, ({ onStop }) => Object(onStop(task as never))));
    await kernel.start();
    await kernel.stop(60);
    expect(done).toEqual(['first']);
    expect(probe.calls).toEqual(['open', 'close']);
  });

  test('tells what waits for company to flush: it counts as published', async () => {
    const probe = new Probe();
    const held: (() => void)[] = [];
    const kernel = create()
      .use(probe)
      .use(
        feature('batching', ({ use, on }) => {
          use({
            kind: 'middleware',
            name: 'batching',
            publish: { stage: 'batch', layer: (next) => (batch, settle) => void held.push(() => next(batch, settle)) },
          });
          on('stopping', () => held.forEach((flush) => void flush()));
          return {};
        }),
      );
    await kernel.start();
    const publishing = kernel.publish('a.x', 1);
    expect(await kernel.stop()).toEqual({ unsettled: 0, unpublished: 0 });
    await publishing;
  });

  test('can be followed by start: subscriptions open again', async () => {
    const { kernel, probe } = await startProbe();
    const handled: unknown[] = [];
    await kernel.subscribe('a.x', ({ body }) => handled.push(body));
    await kernel.stop();
    await expect(kernel.publish('a.x', 1)).rejects.toEqual(coded('EVENTS_NOT_RUNNING'));
    await kernel.start();
    await probe.settled(probe.deliver('a.x', 2, { by: 1 }));
    await kernel.publish('a.x', 1);
    expect(handled).toEqual([2]);
    expect(probe.calls).toEqual(['open', 'close', 'open']);
  });

  test('comes with await using', async () => {
    const { kernel, probe } = await startProbe();
    {
      await using _ = kernel;
    }
    expect(probe.calls).toEqual(['open', 'close']);
  });
});
