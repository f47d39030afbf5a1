import {
  createKernel,
  type Kernel,
  type LifecycleEvents,
  type Logger,
  type Transport,
} from '@logistically/events-kernel';
import type { RedisStreamsCapabilities } from '@logistically/events-redis-streams';
import { type RedisClusterOptions, redisCluster } from '../src/index.ts';

export interface NodeOptions extends RedisClusterOptions {
  /** Also the group of its subscriptions. Default `shop`. */
  readonly service?: string;
}

/** A kernel on redis-cluster, and all that it said of itself. */
export interface Node extends AsyncDisposable {
  readonly kernel: Kernel<RedisStreamsCapabilities>;
  readonly transport: Transport<RedisStreamsCapabilities>;
  /** Log lines with their fields, as JSON. */
  readonly logged: string[];
  /** The lifecycle events of one type so far. */
  hears<K extends keyof LifecycleEvents>(type: K): LifecycleEvents[K][];
  /** What health names, without where. */
  problems(): Promise<string[]>;
}

/** A lease and an interval short enough to wait for. */
export const SHORT = {
  leaseMs: 2000,
  claimIntervalMs: 100,
  commandTimeout: 2000,
  // Replicas may need more than one vote.
  failoverRecovery: { maxRetries: 20, retryDelay: 1000 },
} as const;

/** Makes a node without starting it. */
export const createNode = ({ service = 'shop', ...options }: NodeOptions): Node => {
  const logged: string[] = [];
  const heard: { readonly type: string; readonly event: unknown }[] = [];
  const log = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const transport = redisCluster({ ...SHORT, ...options });
  const kernel = createKernel({ service, logger, stopTimeoutMs: 3000 }).use(transport);
  kernel.on('*', (type, event) => heard.push({ type, event }));
  return {
    kernel,
    transport,
    logged,
    hears: <K extends keyof LifecycleEvents>(type: K) =>
      heard.filter((each) => each.type === type).map(({ event }) => event as LifecycleEvents[K]),
    problems: async () => (await kernel.health()).problems.map(({ problem }) => problem),
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
