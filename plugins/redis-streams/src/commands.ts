import type { Redis } from 'ioredis';
import type { RedisReplyError } from './error.ts';
import type { Cover } from './replication.ts';

/** What is sent: commands on the keys of one place. */
export type Command<T> = (client: Redis) => Promise<T>;

/** The way to the server that keeps certain keys. Every call ends: with a reply, when the connection breaks, or when time is up. */
export interface Commands {
  readonly up: boolean;
  readonly closed: boolean;
  /** What a call would travel on at the moment, `refused` before or not: calls on the same way are executed in their order. */
  way(refused?: RedisReplyError): unknown;
  /** Tells the server from every other one, once it is known. */
  readonly server: string | undefined;
  /** Of the way that a call would travel on, `refused` before or not: there when events must be on replicas before they are confirmed. */
  cover(refused?: RedisReplyError): Cover | undefined;
  /** True when connected by the deadline (ms since the epoch). */
  ready(deadline: number): Promise<boolean>;
  /** Runs a command. Rejects with an `EventsError` that shows no argument of it. */
  run<T>(command: Command<T>, timeoutMs?: number): Promise<T>;
  /**
   * The same for the hot path, without a promise: calls one of `resolve` and `reject`, once. It is tried once; `refused` is why it
   * was not done when it was tried before.
   */
  call<T>(
    command: Command<T>,
    timeoutMs: number,
    resolve: (reply: T) => void,
    reject: (reason: unknown) => void,
    refused?: RedisReplyError,
  ): void;
  /** Runs a command that may be repeated, until it succeeds or the deadline (ms since the epoch) has passed. */
  persist<T>(command: Command<T>, deadline: number): Promise<T>;
}
