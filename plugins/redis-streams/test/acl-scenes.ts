import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisService } from '@logistically/events-conformance/services';
import type { Delivery, OutgoingEvent, Payload, Transport } from '@logistically/events-kernel';
import { expect } from 'vitest';
import { examine } from '../src/doctor/examination.ts';
import { targetOf } from '../src/doctor/target.ts';
import { type RedisStreamsCapabilities, redisStreams } from '../src/index.ts';
import { until } from './until.ts';

export const OPTIONS = { leaseMs: 300, claimIntervalMs: 50, timeoutMs: 2000, blockMs: 200, redeliverMs: 10 } as const;
export const silent = { debug() {}, info() {}, warn() {}, error() {} };

type Streams = Transport<RedisStreamsCapabilities>;

interface Scene {
  readonly server: RedisService;
  readonly user: string;
  readonly prefix: string;
  readonly url: string;
  /** Runs a step; what it throws is kept. Does nothing once the server has refused something. */
  step(run: () => Promise<unknown>): Promise<void>;
  refused(): boolean;
  readonly problems: unknown[];
}

const open = async ({ url, prefix, problems }: Scene, retention: object): Promise<Streams> => {
  const transport = redisStreams({ url, prefix, ...OPTIONS, ...retention });
  const emit = (_: string, { reason }: { readonly reason?: unknown }): void => void (reason && problems.push(reason));
  await transport.open({ service: 'shop', logger: silent, emit: emit as never });
  return transport;
};

const eventOf = (topic: string, payload: Payload): OutgoingEvent =>
  ({ topic, type: 'order.placed', payload, partition: 0, time: Date.now() }) as never;

const settled = (run: (settle: (event: unknown, reason?: unknown) => void) => void, count: number): Promise<unknown> =>
  new Promise((resolve, reject) => {
    let open = count;
    run((_, reason) => {
      if (reason) reject(reason);
      else if (--open === 0) resolve(undefined);
    });
  });

export const publish = (transport: Streams, topic: string, count: number): Promise<unknown> => {
  const batch = Array.from({ length: count }, (_, n) => eventOf(topic, String(n)));
  return settled((settle) => transport.publish(batch, settle), count);
};

const limit = async ({ capabilities: { store } }: Streams): Promise<void> => {
  await store.compareAndSet('rate', undefined, '1', { ttlMs: 60_000 });
  await store.get('rate');
  await store.increment('slice', 1, { ttlMs: 60_000 });
};

/** All that a service does that only publishes. */
const publishes = async (scene: Scene): Promise<void> => {
  const { step, server } = scene;
  let transport: Streams | undefined;
  await step(async () => {
    transport = await open(scene, { retention: { maxLength: 5, lossy: false } });
  });
  if (!transport) return;
  const it = transport;
  const stream = `${scene.prefix}:{order-events:0}:order-events`;
  // Old enough to be trimmed.
  await step(() => server.cli('XADD', stream, '1-0', 'e', 'x'));
  await step(() => server.cli('XGROUP', 'CREATE', stream, 'shop', '0'));
  await step(() => publish(it, 'order-events', 1));
  await step(() => publish(it, 'order-events', 30));
  await step(() => settled((settle) => it.capabilities.delay.publishAt(0, [eventOf('order-events', 'x')], settle), 1));
  await step(() => server.cli('XREADGROUP', 'GROUP', 'shop', 'c', 'COUNT', '20', 'STREAMS', stream, '>'));
  await step(() => publish(it, 'order-events', 120));
  await step(async () => expect(await it.health?.()).toEqual([]));
  for (let i = 0; i < 5; i++) {
    await step(() => server.cli('SCRIPT', 'FLUSH'));
    await step(() => limit(it));
  }
  await step(() => sleep(100));
  await it.close(Date.now() + 500);
};

/** All that a service does that consumes: failing, dying, losing its group and its connections, dead letters, the store. */
const consumes = async (scene: Scene): Promise<void> => {
  const { step, server, prefix, user } = scene;
  const streamOf = (topic: string): string => `${prefix}:{${topic.split(':').at(-1)}:0}:${topic}`;
  const stream = streamOf('order-events');
  await server.cli('SADD', `${prefix}|topics`, 'order-events');
  // Old enough to be trimmed.
  await server.cli('XADD', stream, '1-0', 'e', 'old');
  await server.cli('XGROUP', 'CREATE', stream, 'shop', '$');
  await server.cli('XADD', stream, '*', 'e', 'dead');
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
  let transport: Streams | undefined;
  await step(async () => {
    transport = await open(scene, { retention: { maxLength: 5 } });
  });
  if (!transport) return;
  const it = transport;
  const seen: string[] = [];
  const failed = new Set<string>();
  let consumer: { stop(): Promise<void>; close(deadline: number): Promise<void> } | undefined;
  const handle = (batch: readonly Delivery[], settle: (delivery: Delivery, reason?: unknown) => void): void => {
    for (const delivery of batch) {
      const { topic, cursor } = delivery;
      seen.push(`${topic} ${delivery.payload}`);
      if (topic === 'bill-events' && !failed.has('move')) {
        failed.add('move');
        it.capabilities.handoff.move(delivery, `dlq:${topic}`, { why: 'test' }).then(
          () => settle(delivery),
          (reason) => settle(delivery, reason),
        );
      } else if (failed.has(cursor)) settle(delivery);
      else {
        failed.add(cursor);
        settle(delivery, new Error('fails at first'));
      }
    }
  };
  await step(async () => {
    consumer = await it.subscribe?.(
      { group: 'shop', topics: 'all', concurrency: 1, from: 'earliest' } as never,
      handle,
    );
  });
  const whenSeen = (what: string): Promise<void> =>
    until(
      () => seen.includes(what) || scene.refused(),
      () => [what, seen],
      4000,
    );
  await step(() => whenSeen('order-events dead'));
  await step(() => publish(it, 'order-events', 3));
  await step(() => publish(it, 'bill-events', 3));
  await step(() => whenSeen('bill-events 2'));
  await step(() =>
    settled((settle) => it.capabilities.delay.publishAt(0, [eventOf('order-events', 'late')], settle), 1),
  );
  await step(() => whenSeen('order-events late'));
  // Read again as bytes.
  await step(() => publish(it, 'order-events', 1));
  await step(() => server.cli('XADD', stream, '*', 'e', 'a\ufffdb'));
  await step(() => whenSeen('order-events a\ufffdb'));
  await step(() => server.cli('XGROUP', 'DESTROY', stream, 'shop'));
  await step(() => sleep(300));
  await step(async () => {
    const clients = String(await server.cli('CLIENT', 'LIST')).split('\n');
    const reader = clients.find(
      (client) => client.includes(' name=events-reader') && client.includes(` user=${user} `),
    );
    await server.cli('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(reader ?? '')?.[1] ?? '');
  });
  await step(() => sleep(300));
  await step(() => publish(it, 'order-events', 150));
  await step(() => whenSeen('order-events 149'));
  await step(async () => {
    const [letter] = await it.capabilities.log.read('dlq:bill-events');
    await it.capabilities.handoff.remove(letter as never);
  });
  await step(async () => expect(await it.health?.()).toEqual([]));
  const { store } = it.capabilities;
  await step(() => store.set('a', '1', { ttlMs: 60_000 }));
  await step(() => store.delete('a'));
  await step(() => store.increment('n', 1, { ttlMs: 60_000 }));
  await step(async () => {
    const lease = await store.lease('lock', 60_000);
    await lease?.renew();
    await lease?.release();
  });
  for (let i = 0; i < 5; i++) {
    await step(() => server.cli('SCRIPT', 'FLUSH'));
    await step(() => limit(it));
  }
  await consumer?.stop();
  await consumer?.close(Date.now() + 500);
  await it.close(Date.now() + 500);
};

/** All that people do with their tools: look, read, send dead letters again, remove them, ask the doctor. */
const operates = async (scene: Scene): Promise<void> => {
  const { step, server, prefix } = scene;
  const keyOf = (topic: string): string => `${prefix}:{bill-events:0}:${topic}`;
  for (const topic of ['bill-events', 'dlq:bill-events'])
    for (let i = 0; i < 2; i++) await server.cli('XADD', keyOf(topic), '*', 'e', '1');
  await server.cli('XGROUP', 'CREATE', keyOf('bill-events'), 'shop', '0');
  await server.cli('XREADGROUP', 'GROUP', 'shop', 'c', 'COUNT', '1', 'STREAMS', keyOf('bill-events'), '>');
  await server.cli('ZADD', `${keyOf('bill-events')}|retries|shop`, '1', '1-0');
  await server.cli('SADD', `${prefix}|topics`, 'bill-events', 'dlq:bill-events');
  let transport: Streams | undefined;
  await step(async () => {
    transport = await open(scene, {});
  });
  if (transport) {
    const it = transport;
    const { log, inspect, handoff, store } = it.capabilities;
    await step(async () => expect(await log.topics()).toContain('bill-events'));
    await step(() => inspect.topic('bill-events'));
    const letters = async () => (await log.read('dlq:bill-events')) as never[];
    await step(async () => {
      const [first, second] = await letters();
      await server.cli('SCRIPT', 'FLUSH');
      expect(await handoff.moveEntry(first as never, 'bill-events', { by: 'me' })).toBe(true);
      expect(await handoff.remove(second as never)).toBe(true);
    });
    await step(() => publish(it, 'dlq-events', 1));
    await step(() => publish(it, 'dlq-events', 2));
    await step(() => store.get('presence'));
    await step(async () => expect(await it.health?.()).toEqual([]));
    await it.close(Date.now() + 500);
  }
  await step(async () => {
    await examine(targetOf(scene.url), { prefix, idleMs: 1000, partitions: 1, timeoutMs: 3000 });
  });
};

export const SCENES = { publisher: publishes, consumer: consumes, operator: operates };
