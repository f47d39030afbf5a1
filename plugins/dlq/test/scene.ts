import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Awaitable,
  createKernel,
  type Envelope,
  type Handoff,
  type Kernel,
  type LifecycleEvents,
  type Log,
  type Logger,
  type Store,
  type Subscription,
  type Transport,
} from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { onTestFinished } from 'vitest';
import { type DlqApi, type DlqOptions, dlq } from '../src/index.ts';

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

interface Needs {
  readonly handoff: Handoff;
  readonly log: Log;
  readonly store: Store;
}

export type Node = Kernel<Needs> & DlqApi;

/** Waits for a fact. */
export const until = async (fact: () => Awaitable<unknown>, what: string): Promise<void> => {
  const deadline = Date.now() + 30_000;
  while (!(await fact())) {
    if (Date.now() > deadline) throw new Error(`Not within 30 s: ${what}`);
    await sleep(5);
  }
};

/** A started kernel with dead letters, stopped when the test ends. */
export const startNode = async (
  { service = 'shop', ...options }: DlqOptions & { readonly service?: string } = {},
  transport: Transport<Needs> = memory({ redeliverMs: 1 }),
): Promise<Node> => {
  const kernel = createKernel({ service, logger: quiet, stopTimeoutMs: 2000 }).use(transport).use(dlq(options));
  onTestFinished(async () => {
    await kernel.stop();
  });
  await kernel.start();
  return kernel as unknown as Node;
};

/** What a kernel tells of one kind from now on. */
export const heard = <K extends keyof LifecycleEvents>(kernel: Node, type: K): LifecycleEvents[K][] => {
  const events: LifecycleEvents[K][] = [];
  kernel.on(type, (event) => events.push(event));
  return events;
};

const kept = new WeakMap<Node, Map<string, Subscription>>();

/** Somebody goes on reading the topic for the group, and handles nothing: else nothing would be sent again to it. */
export const keepReading = async (kernel: Node, type = 'order.placed'): Promise<void> => {
  const patterns = kept.get(kernel) ?? new Map<string, Subscription>();
  kept.set(kernel, patterns);
  const pattern = `${type.split('.')[0]}.nothing`;
  if (patterns.has(pattern)) return;
  patterns.set(pattern, await kernel.subscribe(pattern, () => {}));
};

/** Ends that. */
export const unread = async (kernel: Node): Promise<void> => {
  for (const { unsubscribe } of kept.get(kernel)?.values() ?? []) await unsubscribe();
};

/** Publishes events that all fail, and waits until they are dead letters. */
export const bury = async (
  kernel: Node,
  bodies: readonly unknown[],
  type = 'order.placed',
  fail: (body: unknown) => unknown = () => Object.assign(new Error('no'), { permanent: true }),
  partitions = 1,
): Promise<void> => {
  await keepReading(kernel, type);
  const before = (await kernel.dlq.stats()).depth;
  const { unsubscribe } = await kernel.subscribe(type, ({ body }) => {
    throw fail(body);
  });
  for (const [n, body] of bodies.entries()) await kernel.publish(type, body, { partition: n % partitions });
  await until(async () => (await kernel.dlq.stats()).depth === before + bodies.length, 'all are dead letters');
  await unsubscribe();
};

/** Many, all at once, of events whose handler throws `no`: their order is any. */
export const buryMany = async (
  kernel: Node,
  count: number,
  fail: () => unknown = () => new Error('no'),
): Promise<readonly string[]> => {
  await keepReading(kernel);
  const before = (await kernel.dlq.stats()).depth;
  const handler = (): never => {
    throw Object.assign(fail() as Error, { permanent: true });
  };
  const { unsubscribe } = await kernel.subscribe('order.placed', handler, { concurrency: 500 });
  const events = Array.from({ length: count }, (_, n) => ({ type: 'order.placed', body: n }));
  const envelopes: Envelope[] = [];
  // No more at once than even a loaded server confirms in time.
  while (envelopes.length < count)
    envelopes.push(...(await kernel.publishBatch(events.slice(envelopes.length, envelopes.length + 500))));
  await until(async () => (await kernel.dlq.stats()).depth === before + count, 'all are dead letters');
  await unsubscribe();
  return envelopes.map(({ header }) => header.id);
};

/** The same transport; `onRead` is told of each page before it is read, and may throw. */
export const watched = <Can extends Needs>(
  transport: Transport<Can>,
  onRead: (limit: number) => Awaitable<void>,
): Transport<Can> => {
  const { log } = transport.capabilities;
  const read: Log['read'] = async (topic, options) => {
    await onRead(options?.limit ?? 100);
    return log.read(topic, options);
  };
  return { ...transport, capabilities: { ...transport.capabilities, log: { ...log, read } } };
};

/** Counts the pages, and lets no more than `most` be read. */
export const counted = <Can extends Needs>(transport: Transport<Can>, most: number) => {
  const count = { pages: 0, entries: 0 };
  const budgeted = watched(transport, (limit) => {
    count.pages++;
    count.entries += limit;
    if (count.pages > most) throw new Error(`more than ${most} pages are read`);
  });
  return { count, transport: budgeted };
};
