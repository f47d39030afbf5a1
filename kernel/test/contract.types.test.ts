import { AsyncLocalStorage } from 'node:async_hooks';
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest';
import {
  type Capabilities,
  createEnvelope,
  createKernel,
  Delivery,
  derive,
  type Envelope,
  type EventBus,
  EventsError,
  type EventsErrorOptions,
  each,
  type Feature,
  type Handler,
  type Handoff,
  type Inspect,
  isEventsError,
  type Kernel,
  type Lease,
  type Log,
  type Logger,
  type Middleware,
  matches,
  type OutgoingEvent,
  type Path,
  type Settle,
  type Store,
  type Subscription,
  type Transport,
  transform,
} from '../src/index.ts';
import { loop } from './loop.ts';
import { deferred, Probe, silent } from './probe.ts';

// For each package that is to come, the ten lines that it needs from the contracts: compiled, and run where that is cheap.

const create = () => createKernel({ service: 'shop', logger: silent });
const running: EventBus[] = [];
const started = async <K extends EventBus>(kernel: K): Promise<K> => {
  running.push(kernel);
  return kernel.start();
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((kernel) => kernel.stop(1000)));
});
const again = (reason: unknown, options: EventsErrorOptions) =>
  new EventsError('EVENTS_RETRY_LATER', 'Later.', { cause: reason, ...options });

describe('redis-cluster and redis-sentinel build on another transport', () => {
  const cluster = (nodes: readonly string[]) => {
    const base = loop();
    const transport = {
      ...base,
      name: 'redis-cluster',
      open: async (host) => {
        await base.open(host);
        host.emit('recovered', { transport: 'redis-cluster', what: `failover to ${nodes[0]}` });
      },
      versions: async () => ({ redis: '7.4.0' }),
    } satisfies Transport;
    return transport;
  };

  test('and keep its capabilities, in types too', async () => {
    const kernel = create()
      .use(cluster(['a:1', 'b:1']))
      .use(replay());
    const told: string[] = [];
    kernel.on('recovered', ({ what }) => told.push(what));
    await started(kernel);
    expect(told).toEqual(['failover to a:1']);
  });
});

const retry = ({ maxAttempts, delayMs }: { maxAttempts: number; delayMs: number }): Middleware => ({
  kind: 'middleware',
  name: 'retry',
  consume: {
    stage: 'retry',
    layer: (next) => (batch, settle) =>
      next(batch, (event, reason) => {
        if (reason === undefined || (isEventsError(reason) && reason.permanent)) settle(event, reason);
        else if (event.attempt >= maxAttempts) settle(event, again(reason, { permanent: true }));
        else settle(event, again(reason, { retryAfterMs: delayMs * 2 ** event.attempt }));
      }),
  },
});

interface DlqNeeds extends Capabilities {
  readonly handoff: Handoff;
  readonly log: Log;
}
interface DlqApi {
  readonly dlq: {
    list(topic: string): Promise<readonly { reason: string | undefined }[]>;
    redrive(topic: string): Promise<void>;
  };
}
const dlq = (): Feature<DlqApi, DlqNeeds> => ({
  kind: 'feature',
  name: 'dlq',
  requires: ['handoff', 'log'],
  setup: (host) => {
    const transportOf = ({ transport }: Delivery) =>
      host.transports().find(({ name }) => name === transport) ?? host.transport();
    host.use({
      kind: 'middleware',
      name: 'dlq',
      consume: {
        stage: 'dlq',
        layer: (next) => (batch, settle) =>
          next(batch, (delivery, reason) => {
            if (!isEventsError(reason) || !reason.permanent) return settle(delivery, reason);
            const notes = { reason: reason.code, group: delivery.group, attempt: `${delivery.attempt}` };
            const moved = transportOf(delivery).capabilities.handoff?.move(delivery, `dlq:${delivery.topic}`, notes);
            Promise.resolve(moved).then(
              () => settle(delivery),
              () => settle(delivery, reason),
            );
          }),
      },
    });
    return {
      dlq: {
        list: async (topic) => {
          const entries = await host.transport().capabilities.log.read(`dlq:${topic}`);
          return entries.map(({ notes }) => ({ reason: notes?.reason }));
        },
        redrive: async (topic) => {
          const { subscribe, capabilities } = host.transport();
          const target = { topics: [`dlq:${topic}`], group: 'redrive', from: 'earliest', concurrency: 100 } as const;
          const back = (delivery: Delivery) => capabilities.handoff.move(delivery, topic, {});
          const consumer = await subscribe?.(target, each(back));
          host.onStop(async (deadline) => consumer?.close(deadline));
        },
      },
    };
  },
});

test('retry and dlq: attempts in the broker, then the dead letter, raw and with its reason', async () => {
  const kernel = await started(
    create()
      .use(loop())
      .use(dlq())
      .use(retry({ maxAttempts: 2, delayMs: 0 })),
  );
  const attempts: number[] = [];
  await kernel.subscribe('user.*', (_, { attempt }) => {
    attempts.push(attempt);
    throw new Error('no');
  });
  const settled = deferred();
  kernel.on('*', () => {});
  await kernel.publish('user.created', 1);
  const poll = async (): Promise<readonly object[]> => {
    const found = await kernel.dlq.list('user-events').catch(() => []);
    return found.length ? found : new Promise((resolve) => setImmediate(() => resolve(poll())));
  };
  expect(await poll()).toEqual([{ reason: 'EVENTS_RETRY_LATER' }]);
  expect(attempts).toEqual([1, 2]);
  settled.resolve();
  await kernel.dlq.redrive('user-events');
});

const batching = ({ size }: { size: number }): Feature => ({
  kind: 'feature',
  name: 'batching',
  setup: ({ use, on }) => {
    let held: { event: OutgoingEvent; settle: Settle<OutgoingEvent> }[] = [];
    let flush = (): void => {};
    use({
      kind: 'middleware',
      name: 'batching',
      publish: {
        stage: 'batch',
        layer: (next) => {
          flush = () => {
            const settles = new Map(held.map(({ event, settle }) => [event, settle]));
            held = [];
            if (settles.size) next([...settles.keys()], (event, reason) => settles.get(event)?.(event, reason));
          };
          return (batch, settle) => {
            held.push(...batch.map((event) => ({ event, settle })));
            if (held.length >= size) flush();
          };
        },
      },
    });
    on('stopping', () => flush());
    return {};
  },
});

test('batching: several publishes become one batch, stop flushes', async () => {
  const probe = new Probe();
  const sizes: number[] = [];
  probe.onPublish = (batch, settle) => {
    sizes.push(batch.length);
    for (const event of batch) settle(event);
  };
  const kernel = await started(
    create()
      .use(probe)
      .use(batching({ size: 2 })),
  );
  const published = ['a.x', 'b.x', 'c.x'].map((type) => kernel.publish(type, 1));
  await kernel.stop();
  await Promise.all(published);
  expect(sizes).toEqual([2, 1]);
});

interface StoreNeeds extends Capabilities {
  readonly store: Store;
}

const idempotency = ({ ttlMs }: { ttlMs: number }): Feature<object, StoreNeeds> => ({
  kind: 'feature',
  name: 'idempotency',
  requires: ['store'],
  setup: (host) => {
    const keyOf = ({ group, envelope }: Delivery) => `once/${group}/${envelope?.header.id}`;
    const one = async (next: Path<Delivery>, delivery: Delivery, settle: Settle<Delivery>) => {
      const { store } = host.transport().capabilities;
      if (await store.get(keyOf(delivery))) return settle(delivery);
      next([delivery], async (event, reason) => {
        if (reason === undefined) await store.set(keyOf(event), 'done', { ttlMs });
        settle(event, reason);
      });
    };
    host.use({
      kind: 'middleware',
      name: 'idempotency',
      consume: {
        stage: 'once',
        layer: (next) => (batch, settle) => {
          for (const delivery of batch) one(next, delivery, settle).catch((reason) => settle(delivery, reason));
        },
      },
    });
    return {};
  },
});

test('idempotency: an event of the same id is handled once', async () => {
  const transport = loop();
  const kernel = await started(
    create()
      .use(transport)
      .use(idempotency({ ttlMs: 60_000 })),
  );
  const handled: unknown[] = [];
  const done = deferred();
  await kernel.subscribe('a.*', ({ body }) => {
    handled.push(body);
    if (body === 'last') done.resolve();
  });
  const twice: Path<OutgoingEvent> = (batch, settle) =>
    transport.publish([...batch, ...batch.map((event) => derive(event, {}))], settle);
  const sender = await started(
    create().use({ ...transport, open: async () => {}, close: async () => {}, publish: twice }),
  );
  await sender.publish('a.x', 'once');
  await kernel.publish('a.x', 'last');
  await done.promise;
  expect(handled).toEqual(['once', 'last']);
});

interface PartitioningApi {
  readonly partitions: {
    subscribe(pattern: string, handler: Handler): Promise<void>;
    rebalance(): Promise<readonly number[]>;
  };
}
const partitioning = ({
  count,
}: {
  count: number;
}): Feature<PartitioningApi, StoreNeeds & { readonly groups: true }> => ({
  kind: 'feature',
  name: 'partitioning',
  requires: ['store', 'groups'],
  setup: (host) => {
    const partitionOf = (key: string) => createHash('sha256').update(key).digest().readUInt32BE() % count;
    const wanted = new Map<string, Handler>();
    const leases = new Map<number, Lease>();
    let open: Subscription[] = [];
    const rebalance = async () => {
      for (let n = 0; n < count; n++) {
        const lease = leases.get(n) ?? (await host.transport().capabilities.store.lease(`partition/${n}`, 10_000));
        if (lease && (await lease.renew())) leases.set(n, lease);
        else leases.delete(n);
      }
      await Promise.all(open.map(({ unsubscribe }) => unsubscribe()));
      const partitions = [...leases.keys()];
      open = await Promise.all(
        [...wanted].map(([pattern, handler]) => host.kernel.subscribe(pattern, handler, { partitions })),
      );
      return partitions;
    };
    host.use({
      kind: 'middleware',
      name: 'partitioning',
      publish: {
        stage: 'route',
        layer: transform((event) =>
          event.partition === undefined && event.key ? derive(event, { partition: partitionOf(event.key) }) : event,
        ),
      },
    });
    host.onStop(async () => {
      for (const { release } of leases.values()) await release();
    });
    const subscribe = async (pattern: string, handler: Handler): Promise<void> => {
      wanted.set(pattern, handler);
      await rebalance();
    };
    return { partitions: { subscribe, rebalance } };
  },
});

test('partitioning with rebalancing: leases in the store decide who reads what', async () => {
  const kernel = await started(
    create()
      .use(loop())
      .use(partitioning({ count: 4 })),
  );
  const heard = deferred<number>();
  await kernel.partitions.subscribe('user.*', (_, { partition }) => heard.resolve(partition));
  expect(await kernel.partitions.rebalance()).toEqual([0, 1, 2, 3]);
  await kernel.publish('user.created', 1, { key: 'k1' });
  expect(await heard.promise).toBeLessThan(4);
});

const orderPerKey = (): Middleware => ({
  kind: 'middleware',
  name: 'ordering',
  consume: {
    stage: 'order',
    layer: (next) => {
      const queues = new Map<string, (() => void)[]>();
      return (batch, settle) => {
        for (const delivery of batch) {
          const key = `${delivery.group}/${delivery.envelope?.header.key ?? delivery.cursor}`;
          const begin = () =>
            next([delivery], (event, reason) => {
              settle(event, reason);
              const following = queues.get(key)?.shift();
              if (following) following();
              else queues.delete(key);
            });
          const queue = queues.get(key);
          if (queue) queue.push(begin);
          else {
            queues.set(key, []);
            begin();
          }
        }
      };
    },
  },
});

test('order per key: one of a key at a time, others meanwhile', async () => {
  const kernel = await started(create().use(loop()).use(orderPerKey()));
  const [first, all] = [deferred(), deferred()];
  const done: unknown[] = [];
  const work = async ({ body }: Envelope) => {
    if (body === 'a1') await first.promise;
    done.push(body);
    if (body === 'b1') first.resolve();
    if (done.length === 3) all.resolve();
  };
  await kernel.subscribe('user.*', work, { concurrency: 10 });
  await kernel.publishBatch(['a1', 'a2', 'b1'].map((body) => ({ type: 'user.x', body, key: body[0] as string })));
  await all.promise;
  expect(done).toEqual(['b1', 'a1', 'a2']);
});

const globalOrder = (): Feature<object, StoreNeeds> => ({
  kind: 'feature',
  name: 'global-order',
  requires: ['store'],
  setup: (host) => {
    let expected = 1;
    const early = new Map<number, () => void>();
    host.use({
      kind: 'middleware',
      name: 'global-order',
      publish: {
        stage: 'enrich',
        layer: transform(async (event) => {
          const sequence = await host.transport().capabilities.store.increment('sequence');
          return derive(event, { headers: { ...event.header.headers, sequence: `${sequence}` } });
        }),
      },
      consume: {
        stage: 'order',
        layer: (next) => (batch, settle) => {
          for (const delivery of batch) {
            // Causal order reads `causationId` in place of the sequence.
            const { headers, causationId: _ } = (delivery.envelope as Envelope).header;
            early.set(Number(headers?.sequence), () =>
              next([delivery], (event, reason) => {
                settle(event, reason);
                if (reason === undefined) early.get(++expected)?.();
              }),
            );
          }
          early.get(expected)?.();
        },
      },
    });
    return {};
  },
});

test('global and causal order: a sequence from the store travels in the header', async () => {
  const kernel = await started(create().use(loop()).use(globalOrder()));
  const all = deferred();
  const seen: unknown[] = [];
  await kernel.subscribe(
    '*',
    ({ header }) => {
      seen.push(header.headers?.sequence);
      if (seen.length === 3) all.resolve();
    },
    { concurrency: 10 },
  );
  for (const type of ['a.x', 'b.x', 'a.y']) await kernel.publish(type, 1);
  await all.promise;
  expect(seen).toEqual(['1', '2', '3']);
});

type Parse<T> = (value: unknown) => T;
const schema = <const S extends Record<string, Parse<unknown>>>(
  schemas: S,
): Feature<{ schema: { has(type: string): boolean } }, object, { [K in keyof S]: ReturnType<S[K]> }> => ({
  kind: 'feature',
  name: 'schema',
  setup: ({ use }) => {
    const parse = (type: string, body: unknown): unknown => {
      try {
        return schemas[type] ? schemas[type](body) : body;
      } catch (cause) {
        throw new EventsError('EVENTS_SCHEMA_INVALID', `${type} is not as its schema says.`, {
          cause,
          permanent: true,
        });
      }
    };
    use({
      kind: 'middleware',
      name: 'schema',
      publish: {
        stage: 'validate',
        layer: transform((event) => derive(event, { body: parse(event.type, event.body) })),
      },
      consume: {
        stage: 'validate',
        layer: transform((delivery) => {
          const { header, body } = delivery.envelope as Envelope;
          return derive(delivery, { envelope: createEnvelope(header, parse(header.type, body)) });
        }),
      },
    });
    return { schema: { has: (type) => type in schemas } };
  },
});
const orders = {
  'order.placed': (value: unknown) => ({ id: String(value), total: 1 }),
  'user.created': (value: unknown) => ({ email: `${value}` }),
};

interface ReplayNeeds extends Capabilities {
  readonly log: Log;
}
const replay = (): Feature<
  { replay: { from(topic: string, time: Date, handler: Handler): Promise<number> } },
  ReplayNeeds
> => ({
  kind: 'feature',
  name: 'replay',
  requires: ['log'],
  setup: (host) => ({
    replay: {
      from: async (topic, time, handler) => {
        const entries = await host.transport().capabilities.log.read(topic, { from: time });
        const wanted = entries.filter(({ payload }) => matches('user.*', host.codec.decode(payload).header.type));
        const batch = wanted.map(
          ({ partition, cursor, payload }) => new Delivery(topic, partition, cursor, 1, payload),
        );
        const failed: unknown[] = [];
        await new Promise<void>((resolve) => {
          let open = batch.length;
          if (!open) resolve();
          host.consume(handler, 'replay')(batch, (_, reason) => {
            if (reason !== undefined) failed.push(reason);
            if (!--open) resolve();
          });
        });
        return batch.length - failed.length;
      },
    },
  }),
});

test('replay: a topic from a time on, through the whole consume path', async () => {
  const kernel = await started(create().use(loop()).use(replay()).use(schema(orders)));
  await kernel.publish('user.created', { email: 'a@x' });
  const seen: unknown[] = [];
  expect(await kernel.replay.from('user-events', new Date(0), ({ body }, { group }) => seen.push([group, body]))).toBe(
    1,
  );
  expect(seen).toEqual([['replay', { email: '[object Object]' }]]);
});

const routing = (routes: readonly { pattern: string; transport: string; topic?: string }[]): Middleware => ({
  kind: 'middleware',
  name: 'routing',
  publish: {
    stage: 'route',
    layer: (next) => (batch, settle) => {
      for (const event of batch) {
        const targets = routes.filter(({ pattern }) => matches(pattern, event.type));
        const copies = targets.length
          ? targets.map(({ transport, topic = event.topic }) => derive(event, { transport, topic }))
          : [event];
        let open = copies.length;
        let failure: unknown;
        next(copies, (_, reason) => {
          failure ??= reason;
          if (!--open) settle(event, failure);
        });
      }
    },
  },
});

test('routing over several transports: one event to many, settled when all have it', async () => {
  const [first, second] = [new Probe('first'), new Probe('second')];
  const routes = [
    { pattern: 'audit.*', transport: 'first' },
    { pattern: 'audit.*', transport: 'second', topic: 'audit' },
  ];
  const kernel = await started(create().use(first).use(second).use(routing(routes)));
  const { header } = await kernel.publish('audit.login', 1);
  expect(first.published.map((event) => [event.topic, event.header.id])).toEqual([['audit-events', header.id]]);
  expect(second.published.map((event) => [event.topic, event.header.id])).toEqual([['audit', header.id]]);
});

const compression = (): Middleware => ({
  kind: 'middleware',
  name: 'compression',
  publish: {
    stage: 'encode',
    layer: transform(async (event) => derive(event, { payload: await promisify(deflateRaw)(event.payload) })),
  },
  consume: {
    stage: 'decode',
    layer: transform(async (delivery) => derive(delivery, { payload: await promisify(inflateRaw)(delivery.payload) })),
  },
});

const encryption = (key: Buffer): Middleware => ({
  kind: 'middleware',
  name: 'encryption',
  publish: {
    stage: 'encode',
    layer: transform((event) => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const sealed = Buffer.concat([cipher.update(event.payload as Buffer), cipher.final()]);
      return derive(event, { payload: Buffer.concat([iv, cipher.getAuthTag(), sealed]) });
    }),
  },
  consume: {
    stage: 'decode',
    layer: transform((delivery) => {
      const bytes = Buffer.from(delivery.payload as Uint8Array);
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(12, 28));
      return derive(delivery, { payload: Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]) });
    }),
  },
});

test('compression and encryption: undone in reverse, whatever the order of use', async () => {
  const transport = loop();
  const kernel = await started(
    create()
      .use(transport)
      .use(compression())
      .use(encryption(randomBytes(32))),
  );
  const heard = deferred<unknown>();
  await kernel.subscribe('a.*', ({ body }) => heard.resolve(body));
  await kernel.publish('a.x', { text: 'secret'.repeat(100) });
  expect(await heard.promise).toEqual({ text: 'secret'.repeat(100) });
  const [entry] = await transport.capabilities.log.read('a-events');
  expect(Buffer.from(entry?.payload as Uint8Array).includes('secret')).toBe(false);
});

const metrics = (): Feature<{ metrics: { text(): Promise<string> } }, { readonly inspect: Inspect }> => ({
  kind: 'feature',
  name: 'metrics',
  requires: ['inspect'],
  setup: (host) => {
    const seconds: number[] = [];
    let failures = 0;
    host.on('failed', () => failures++);
    host.use({
      kind: 'middleware',
      name: 'metrics',
      publish: {
        stage: 'observe',
        layer: (next) => (batch, settle) =>
          next(batch, (event, reason) => {
            seconds.push((Date.now() - event.time) / 1000);
            settle(event, reason);
          }),
      },
    });
    const text = async () => {
      const { published, inFlight } = host.kernel.stats();
      const { partitions } = await host.transport().capabilities.inspect.topic('a-events');
      const lag = partitions.flatMap(({ groups }) => groups).reduce((sum, group) => sum + (group.lag ?? 0), 0);
      return `published ${published} in_flight ${inFlight} failures ${failures} lag ${lag} count ${seconds.length}`;
    };
    return { metrics: { text } };
  },
});

test('metrics: durations from the path, counts from the kernel, lag from the broker', async () => {
  const kernel = await started(create().use(loop()).use(metrics()));
  await kernel.publish('a.x', 1);
  expect(await kernel.metrics.text()).toBe('published 1 in_flight 0 failures 0 lag 0 count 1');
});

const tracing = (spans: string[]): Middleware => {
  const current = new AsyncLocalStorage<string>();
  return {
    kind: 'middleware',
    name: 'tracing',
    publish: {
      stage: 'enrich',
      layer: transform((event) => {
        const traceparent = current.getStore() ?? `00-${event.header.id.replaceAll('-', '')}`;
        return derive(event, { headers: { ...event.header.headers, traceparent } });
      }),
    },
    consume: {
      // The first stage behind `decode` that wraps the handler: the header can be read from here on.
      stage: 'validate',
      layer: (next) => (batch, settle) => {
        for (const delivery of batch) {
          const parent = delivery.envelope?.header.headers?.traceparent ?? '';
          current.run(parent, () =>
            next([delivery], (event, reason) => {
              spans.push(`${parent} ${reason === undefined ? 'ok' : 'error'}`);
              settle(event, reason);
            }),
          );
        }
      },
    },
  };
};

test('tracing: the context travels in the header, and on from the handler', async () => {
  const spans: string[] = [];
  const kernel = await started(create().use(loop()).use(tracing(spans)));
  const second = deferred<unknown>();
  await kernel.subscribe('a.x', () => kernel.publish('b.x', 1));
  await kernel.subscribe('b.x', ({ header }) => second.resolve(header.headers?.traceparent));
  const { header } = await kernel.publish('a.x', 1);
  expect(await second.promise).toBe(`00-${header.id.replaceAll('-', '')}`);
});

interface Channel {
  publish(
    exchange: string,
    key: string,
    content: Buffer,
    options: object,
    confirm: (error: Error | null) => void,
  ): void;
  consume(
    queue: string,
    take: (message: { content: Buffer; fields: { deliveryTag: number; redelivered: boolean } }) => void,
  ): Promise<{ consumerTag: string }>;
  ack(tag: number): void;
  nack(tag: number): void;
  cancel(tag: string): Promise<void>;
}
const rabbitmq = (connect: () => Promise<Channel>): Transport<{ groups: true }> => {
  let channel: Channel;
  class Message extends Delivery {
    tag = 0;
  }
  return {
    kind: 'transport',
    name: 'rabbitmq',
    capabilities: { groups: true },
    open: async () => {
      channel = await connect();
    },
    publish: (batch, settle) => {
      for (const event of batch) {
        const confirm = (error: Error | null) => settle(event, error ?? undefined);
        channel.publish('events', event.type, Buffer.from(event.payload), { messageId: event.header.id }, confirm);
      }
    },
    subscribe: async ({ group }, deliver) => {
      const settle: Settle<Delivery> = (delivery, reason) =>
        reason === undefined ? channel.ack((delivery as Message).tag) : channel.nack((delivery as Message).tag);
      const { consumerTag } = await channel.consume(group, ({ content, fields: { deliveryTag, redelivered } }) => {
        const message = new Message('events', 0, `${deliveryTag}`, redelivered ? 2 : 1, content);
        message.tag = deliveryTag;
        deliver([message], settle);
      });
      return { stop: () => channel.cancel(consumerTag), close: async () => {} };
    },
    close: async () => {},
  };
};
test('rabbitmq: a transport that offers little is refused what it cannot do', () => {
  const transport = rabbitmq(() => Promise.reject(new Error('unused')));
  expectTypeOf(transport).toExtend<Transport>();
  // @ts-expect-error: no `log`
  expect(() => create().use(transport).use(replay())).not.toThrow();
});

interface EventStoreApi {
  readonly eventStore: {
    append(stream: string, version: number, type: string, body: unknown): Promise<Envelope>;
  };
}
const eventStore = (): Feature<EventStoreApi, StoreNeeds> => ({
  kind: 'feature',
  name: 'event-store',
  requires: ['store'],
  setup: (host) => ({
    eventStore: {
      append: async (stream, version, type, body) => {
        const { store } = host.transport().capabilities;
        const before = version === 0 ? undefined : `${version}`;
        if (!(await store.compareAndSet(`stream/${stream}`, before, `${version + 1}`)))
          throw new EventsError(
            'EVENTS_EVENT_STORE_CONFLICT',
            `${stream} is not at version ${version}: load it again.`,
          );
        return host.publish(type, body, { key: stream, headers: { version: `${version + 1}` } });
      },
    },
  }),
});

test('event store: optimistic concurrency on the store, the event on the bus', async () => {
  const kernel = await started(create().use(loop()).use(eventStore()));
  await kernel.eventStore.append('order-1', 0, 'order.placed', {});
  await expect(kernel.eventStore.append('order-1', 0, 'order.placed', {})).rejects.toMatchObject({
    code: 'EVENTS_EVENT_STORE_CONFLICT',
  });
});

test('the classic API: a builder over the kernel, a publisher and a consumer over the bus', async () => {
  const createEventSystem = ({
    service,
    transports,
  }: {
    service: string;
    transports: Record<string, (name: string) => Transport>;
  }) => {
    const kernel = createKernel({ service, logger: silent });
    for (const [name, factory] of Object.entries(transports)) kernel.use(factory(name));
    const bus: EventBus = kernel;
    return {
      connect: () => bus.start().then(() => {}),
      close: () => bus.stop().then(() => {}),
      publisher: { publish: (type: string, body: unknown) => bus.publish(type, body).then(() => {}) },
      consumer: {
        subscribe: (pattern: string, handler: (body: unknown, header: object) => unknown) =>
          bus.subscribe(pattern, ({ body, header }) => handler(body, header)),
      },
      getStatus: () => bus.health(),
    };
  };
  const system = createEventSystem({ service: 'shop', transports: { main: loop } });
  await system.connect();
  const heard = deferred<unknown>();
  await system.consumer.subscribe('user.*', (body) => heard.resolve(body));
  await system.publisher.publish('user.created', 7);
  expect(await heard.promise).toBe(7);
  expect(await system.getStatus()).toMatchObject({ healthy: true });
  await system.close();
});

test('NestJS: a provider with hooks, handlers found on instances, its own logger', async () => {
  class NestLogger {
    log(_message: unknown, ..._optional: unknown[]) {}
    error(_message: unknown, ..._optional: unknown[]) {}
    warn(_message: unknown, ..._optional: unknown[]) {}
    debug(_message: unknown, ..._optional: unknown[]) {}
  }
  class EventsModule {
    readonly bus: EventBus = createKernel({ service: 'shop', logger: new NestLogger() satisfies Logger }).use(loop());
    onModuleInit = () => this.bus.start();
    onApplicationShutdown = () => this.bus.stop();
    register(instance: object, method: string, pattern: string) {
      const handler = (instance as Record<string, Handler>)[method] as Handler;
      return this.bus.subscribe(pattern, (event, context) => handler.call(instance, event, context), {
        group: 'shop',
        concurrency: 10,
      });
    }
  }
  const heard = deferred<unknown>();
  class Users {
    readonly name = 'users';
    created({ body }: Envelope) {
      heard.resolve([this.name, body]);
    }
  }
  const events = new EventsModule();
  await events.register(new Users(), 'created', 'user.*');
  await events.onModuleInit();
  await events.bus.publish('user.created', 1);
  expect(await heard.promise).toEqual(['users', 1]);
  await events.onApplicationShutdown();
});

describe('types', () => {
  interface ShopEvents {
    'order.placed': { id: string; total: number };
    'order.line.added': { sku: string };
    'user.created': { email: string };
  }

  test('events may be given as a type argument, an interface too', async () => {
    const kernel = await started(createKernel<ShopEvents>({ service: 'shop', logger: silent }).use(loop()));
    const { body } = await kernel.publish('order.placed', { id: '1', total: 2 });
    expectTypeOf(body).toEqualTypeOf<{ id: string; total: number }>();
    // @ts-expect-error: no such event
    void kernel.publish('order.lost', {});
    // @ts-expect-error: another body
    void kernel.publish('order.placed', { id: 1 });
    await kernel.publishBatch([
      { type: 'order.placed', body: { id: '1', total: 2 } },
      { type: 'user.created', body: { email: 'a@x' }, key: 'k' },
      // @ts-expect-error: the body of another type
      { type: 'user.created', body: { sku: 'x' } },
    ]);
  });

  test('a feature types the events from there on, and adds to those that are typed already', () => {
    const kernel = create().use(loop()).use(schema(orders));
    expectTypeOf(kernel.publish<'order.placed'>)
      .parameter(1)
      .toEqualTypeOf<{ id: string; total: number }>();
    // @ts-expect-error: untyped no more
    void kernel.publish('nope', 1).catch(() => {});
    const both = createKernel<{ 'a.x': number }>({ service: 'shop' }).use(schema(orders));
    expectTypeOf<Parameters<typeof both.publish>[0]>().toEqualTypeOf<'a.x' | 'order.placed' | 'user.created'>();
    expectTypeOf(kernel.schema.has).returns.toEqualTypeOf<boolean>();
  });

  test('a pattern narrows what its handler gets', async () => {
    const kernel = createKernel<ShopEvents>({ service: 'shop' });
    await kernel.subscribe('order.*', ({ header, body }) => {
      expectTypeOf(header.type).toEqualTypeOf<'order.placed' | 'order.line.added'>();
      expectTypeOf(body).toEqualTypeOf<{ id: string; total: number } | { sku: string }>();
    });
    await kernel.subscribe('order.*', (event) => {
      if (event.header.type === 'order.placed') void event.body;
    });
    await kernel.subscribe('*.created', ({ body }) => expectTypeOf(body).toEqualTypeOf<{ email: string }>());
    await kernel.subscribe('user.created', ({ body }) => expectTypeOf(body.email).toBeString());
    await kernel.subscribe('*', ({ header }) => expectTypeOf(header.type).toEqualTypeOf<keyof ShopEvents>());
    await kernel.subscribe('stock.*', (event) => expectTypeOf(event).toBeNever());
    await create().subscribe('any.*', ({ header, body }) => {
      expectTypeOf(header.type).toBeString();
      expectTypeOf(body).toBeUnknown();
    });
  });

  test('a feature whose capability no transport has is refused when it is compiled', () => {
    const poor = { ...loop(), name: 'poor', capabilities: {} } satisfies Transport;
    // @ts-expect-error: needs a transport with the capability "log"
    create().use(poor).use(replay());
    // @ts-expect-error: none yet
    create().use(replay());
    create().use(poor).use(loop()).use(replay());
    create()
      .use(loop())
      .use(retry({ maxAttempts: 1, delayMs: 1 }))
      .use(dlq())
      .use(replay())
      .use(idempotency({ ttlMs: 1 }));
  });

  test('every kernel is an EventBus of its events, whatever was used', () => {
    const kernel = create().use(loop()).use(replay());
    expectTypeOf(kernel).toExtend<EventBus>();
    expectTypeOf(createKernel<ShopEvents>({ service: 'shop' }).use(loop())).toExtend<EventBus<ShopEvents>>();
    expectTypeOf<Kernel>().toExtend<EventBus>();
    expectTypeOf(kernel.replay.from).returns.resolves.toBeNumber();
  });
});
