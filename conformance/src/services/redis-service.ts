import { EventsError } from '@logistically/events-kernel';
import { formatRedisUrl, type RedisAddress, type RedisTls } from './redis-address.ts';
import { redisCommand } from './redis-command.ts';
import type { ServerControl } from './server-control.ts';

const COMMAND_DEADLINE_MS = 30_000;

/** A running Redis server. */
export interface RedisServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Whether it was there before (`environment`) or was started for the caller, and how. */
  readonly source: 'environment' | 'container' | 'binary';
  /** What a client needs beside the URL, when the server was started with TLS. */
  readonly tls?: RedisTls;
  /**
   * Runs one command over a connection of its own. Rejects with `EVENTS_SERVICE_REPLY` (Redis answered with an error),
   * `EVENTS_SERVICE_TIMEOUT` (no answer within 30 s) or `EVENTS_SERVICE_UNAVAILABLE` (no connection).
   */
  cli(...args: string[]): Promise<unknown>;
  /** CPU time that the server has used since it started, user and system, in seconds. */
  cpu(): Promise<number>;
}

/**
 * A Redis server in the hands of a test. Where `can` says no, the fault methods reject with `EVENTS_SERVICE_UNSUPPORTED`;
 * a server that does not come up again rejects with `EVENTS_SERVICE_FAILED`.
 */
export interface RedisService extends RedisServer, AsyncDisposable {
  readonly can: { readonly restart: boolean; readonly freeze: boolean };
  /** Shuts the server down in good order and starts it again, on the same port and data. */
  restart(): Promise<void>;
  /** SIGKILL. Resolves when the server is gone. */
  kill(): Promise<void>;
  /** Starts a killed server again, on the same port and data. Resolves when it answers. */
  start(): Promise<void>;
  /** Suspends the server: connections stay open and nothing answers. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends a server that was started for the caller and removes its data. May be called more than once. */
  stop(): Promise<void>;
}

const server = (address: RedisAddress, url: string, source: RedisServer['source']): RedisServer => {
  const cli = (...args: string[]): Promise<unknown> => redisCommand(address, args, COMMAND_DEADLINE_MS);
  return {
    url,
    host: address.host,
    port: address.port,
    source,
    cli,
    async cpu() {
      const info = String(await cli('INFO', 'cpu'));
      const seconds = (field: string): number => Number(new RegExp(`^${field}:(.+)$`, 'm').exec(info)?.[1]);
      return seconds('used_cpu_sys') + seconds('used_cpu_user');
    },
  };
};

/** A server that was started for the caller alone. */
export const ownRedisService = (
  address: RedisAddress,
  source: 'container' | 'binary',
  control: ServerControl,
  tls?: { readonly client: RedisTls; dispose(): Promise<void> },
): RedisService => {
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= control.dispose().then(() => tls?.dispose());
    return stopped;
  };
  return {
    ...server(address, formatRedisUrl(address), source),
    ...(tls && { tls: tls.client }),
    can: { restart: true, freeze: true },
    async restart() {
      await control.end();
      await control.start();
    },
    kill: () => control.kill(),
    start: () => control.start(),
    freeze: () => control.freeze(),
    thaw: () => control.thaw(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
};

/** A server that somebody else runs: it can be used and nothing else. */
export const foreignRedisService = (address: RedisAddress, url: string): RedisService => {
  const refuse = async (): Promise<never> => {
    throw new EventsError(
      'EVENTS_SERVICE_UNSUPPORTED',
      'The Redis server comes from the environment and is not ours to restart, kill or freeze. Ask for redis({ exclusive: true }).',
    );
  };
  const stop = async (): Promise<void> => {};
  return {
    ...server(address, url, 'environment'),
    can: { restart: false, freeze: false },
    restart: refuse,
    kill: refuse,
    start: refuse,
    freeze: refuse,
    thaw: refuse,
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
