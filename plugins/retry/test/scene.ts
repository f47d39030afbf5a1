import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Awaitable,
  createKernel,
  type EventBus,
  type EventsError,
  type Kernel,
  type LifecycleEvents,
  type Transport,
} from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { onTestFinished } from 'vitest';
import { type RetryOptions, retry } from '../src/index.ts';

export const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** A kernel with retry, not started, stopped when the test ends. */
export const kernelWith = (options: RetryOptions, transport: Transport = memory({ redeliverMs: 5 })): Kernel => {
  const kernel = createKernel({ service: 'shop', logger: quiet, stopTimeoutMs: 500 })
    .use(transport)
    .use(retry(options));
  onTestFinished(async () => {
    await kernel.stop(200);
  });
  return kernel;
};

/** The reasons that deliveries fail with, as they leave the consume path. */
export const reasonsOf = (kernel: EventBus): EventsError[] => {
  const reasons: EventsError[] = [];
  kernel.on('failed', ({ reason }) => reasons.push(reason as EventsError));
  return reasons;
};

export const noticesOf = (kernel: EventBus): LifecycleEvents['notice'][] => {
  const notices: LifecycleEvents['notice'][] = [];
  kernel.on('notice', (notice) => notices.push(notice));
  return notices;
};

/** Waits for a fact; the deadline only bounds a failure. */
export const until = async (fact: () => Awaitable<boolean>, what: string, deadlineMs = 20_000): Promise<void> => {
  const deadline = Date.now() + deadlineMs;
  while (!(await fact())) {
    if (Date.now() > deadline) throw new Error(`Not within ${deadlineMs} ms: ${what}`);
    await sleep(2);
  }
};
