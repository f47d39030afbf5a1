import { createKernel, type Kernel, type LifecycleEvents, type Logger } from '@logistically/events-kernel';
import { type RedisStreamsCapabilities, type RedisStreamsOptions, redisStreams } from '../src/index.ts';

export interface NodeOptions extends RedisStreamsOptions {
  /** Also the group of its subscriptions. Default `shop`. */
  readonly service?: string;
}

/** A started kernel on redis-streams, and all that it said of itself. */
export interface Node extends AsyncDisposable {
  readonly kernel: Kernel<RedisStreamsCapabilities>;
  /** Log lines with their fields, as JSON. */
  readonly logged: string[];
  /** The lifecycle events of one type so far. */
  hears<K extends keyof LifecycleEvents>(type: K): LifecycleEvents[K][];
}

/** A lease and an interval short enough to wait for. */
export const SHORT = { leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 2000 } as const;

/** Makes a node without starting it. */
export const createNode = ({ service = 'shop', ...options }: NodeOptions): Node => {
  const logged: string[] = [];
  const heard: { readonly type: string; readonly event: unknown }[] = [];
  const log = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const kernel = createKernel({ service, logger, stopTimeoutMs: 1000 }).use(redisStreams({ ...SHORT, ...options }));
  const types = [
    ...['started', 'stopped', 'subscribed', 'unsubscribed', 'publishFailed', 'failed', 'undecodable'],
    ...['settledTwice', 'connected', 'disconnected', 'recovered', 'leaseLost', 'error', 'notice'],
  ] as (keyof LifecycleEvents)[];
  for (const type of types) kernel.on(type, (event) => heard.push({ type, event }));
  return {
    kernel,
    logged,
    hears: <K extends keyof LifecycleEvents>(type: K) =>
      heard.filter((each) => each.type === type).map(({ event }) => event as LifecycleEvents[K]),
    [Symbol.asyncDispose]: async () => {
      await kernel.stop();
    },
  };
};

export const startNode = async (options: NodeOptions): Promise<Node> => {
  const node = createNode(options);
  await node.kernel.start();
  return node;
};
