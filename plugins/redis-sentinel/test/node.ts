import type { RedisSentinelService } from '@logistically/events-conformance/services';
import {
  createKernel,
  type Kernel,
  type LifecycleEvents,
  type Logger,
  type Transport,
} from '@logistically/events-kernel';
import type { RedisStreamsCapabilities } from '@logistically/events-redis-streams';
import { type RedisSentinelOptions, redisSentinel } from '../src/index.ts';

export interface NodeOptions extends Omit<RedisSentinelOptions, 'sentinels'> {
  /** The set-up, or the sentinels to ask for it. */
  readonly servers: Pick<RedisSentinelService, 'sentinels'> | { readonly sentinels: RedisSentinelOptions['sentinels'] };
  /** Also the group of its subscriptions. Default `shop`. */
  readonly service?: string;
}

/** A kernel on redis-sentinel, and all that it said of itself. */
export interface Node extends AsyncDisposable {
  readonly kernel: Kernel<RedisStreamsCapabilities>;
  readonly transport: Transport<RedisStreamsCapabilities>;
  /** Log lines with their fields, as JSON. */
  readonly logged: string[];
  /** The lifecycle events of one type so far. */
  hears<K extends keyof LifecycleEvents>(type: K): LifecycleEvents[K][];
}

/**
 * A look for the deliveries of others often enough to wait for, a lease that no failover outlasts, and patience with sentinels that
 * do not agree at once: they vote again after twice their failover time-out.
 */
export const SHORT = {
  leaseMs: 15_000,
  claimIntervalMs: 100,
  commandTimeout: 2000,
  failoverRecovery: { maxRetries: 20, retryDelay: 1000 },
} as const;

/** Makes a node without starting it. */
export const createNode = ({ service = 'shop', servers, ...options }: NodeOptions): Node => {
  const logged: string[] = [];
  const heard: { readonly type: string; readonly event: unknown }[] = [];
  const log = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  const sentinels = servers.sentinels.map(({ host, port }) => ({ host, ...(port !== undefined && { port }) }));
  const transport = redisSentinel({ ...SHORT, sentinels, ...options });
  const kernel = createKernel({ service, logger, stopTimeoutMs: 3000 }).use(transport);
  const types = [
    ...['started', 'stopped', 'subscribed', 'unsubscribed', 'publishFailed', 'failed', 'undecodable'],
    ...['settledTwice', 'connected', 'disconnected', 'recovered', 'leaseLost', 'error', 'notice'],
  ] as (keyof LifecycleEvents)[];
  for (const type of types) kernel.on(type, (event) => heard.push({ type, event }));
  return {
    kernel,
    transport,
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
