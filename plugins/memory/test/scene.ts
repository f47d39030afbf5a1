import {
  createKernel,
  type Kernel,
  type KernelOptions,
  type Logger,
  type Transport,
} from '@logistically/events-kernel';
import { onTestFinished } from 'vitest';
import type { MemoryCapabilities } from '../src/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A kernel on a transport, not started, stopped when the test ends. */
export const kernelOn = (
  transport: Transport<MemoryCapabilities>,
  options: Partial<KernelOptions> = {},
): Kernel<MemoryCapabilities> => {
  const kernel = createKernel({ service: 'shop', logger: quiet, ...options }).use(transport);
  onTestFinished(async () => {
    await kernel.stop(200);
  });
  return kernel;
};

/** Lets everything that is due now happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
