import { setTimeout as sleep } from 'node:timers/promises';
import {
  createKernel,
  type LifecycleEvents,
  type OutgoingEvent,
  type Path,
  type Store,
  type Transport,
} from '@logistically/events-kernel';
import { type MemoryCapabilities, memory } from '@logistically/events-memory';
import { type IdempotencyOptions, idempotency } from '../src/index.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Waits for a fact. `deadlineMs` only bounds a failure. */
export const until = async (fact: () => unknown, what: string, deadlineMs = 20_000): Promise<void> => {
  const deadline = Date.now() + deadlineMs;
  while (!(await fact())) {
    if (Date.now() > deadline) throw new Error(`Not within ${deadlineMs} ms: ${what}`);
    await sleep(5);
  }
};

type Memory = Transport<MemoryCapabilities>;
interface NodeOptions extends IdempotencyOptions {
  /** Shared by nodes that are to meet. */
  readonly broker?: Memory;
  /** Changes the store. */
  readonly store?: (store: Store) => Partial<Store>;
  /** Every event is sent so many times, as a producer does that tries again. Default 1. */
  readonly copies?: number;
}

/** A started kernel on memory with idempotency, and the notices and errors that it told. */
export const startNode = async ({ broker = memory(), store, copies = 1, ...options }: NodeOptions = {}) => {
  const publish: Path<OutgoingEvent> = (batch, settle) => {
    for (let copy = 1; copy < copies; copy++) broker.publish(batch, () => {});
    broker.publish(batch, settle);
  };
  const { capabilities } = broker;
  const own = { ...capabilities, store: { ...capabilities.store, ...store?.(capabilities.store) } };
  const kernel = createKernel({ service: 'shop', logger: silent, stopTimeoutMs: 500 })
    .use({ ...broker, publish, capabilities: own } satisfies Memory)
    .use(idempotency(options));
  const notices: LifecycleEvents['notice'][] = [];
  const errors: LifecycleEvents['error'][] = [];
  kernel.on('notice', (event) => notices.push(event));
  kernel.on('error', (event) => errors.push(event));
  await kernel.start();
  return { kernel, notices, errors, [Symbol.asyncDispose]: async () => void (await kernel.stop()) };
};
