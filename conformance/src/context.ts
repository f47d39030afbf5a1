import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Awaitable,
  EventsError,
  type EventsErrorOptions,
  type Logger,
  type Transport,
} from '@logistically/events-kernel';
import type { Claims } from './claims.ts';
import { Gate } from './gate.ts';
import { SharedHandle, type TransportFactory } from './handle.ts';
import { Node, type NodeOptions } from './node.ts';
import type { Settings } from './options.ts';
import { bounded, until } from './until.ts';

const LOG_LINES = 8;

/** What a case works with. Every name that it makes belongs to this case of this run alone. */
export class CaseContext {
  readonly settings: Settings;
  readonly claims: Claims;
  /** First segment of the case's event types. */
  readonly name: string;
  /** Where its events go by default. */
  readonly topic: string;
  /** The last warnings and errors that the kernels and transports of this case logged. */
  readonly logged: string[] = [];
  readonly #factory: TransportFactory;
  readonly #closing: (() => Awaitable<unknown>)[] = [];
  readonly #gates: Gate[] = [];
  #shared: Promise<SharedHandle> | undefined;
  #nodes = 0;

  constructor(factory: TransportFactory, claims: Claims, settings: Settings, name: string) {
    this.#factory = factory;
    this.claims = claims;
    this.settings = settings;
    this.name = name;
    this.topic = `${name}-events`;
  }

  /** An event type of this case: `created` is `<name>.created`. */
  type(suffix = 'created'): string {
    return `${this.name}.${suffix}`;
  }

  /** A group, or another name, of this case. */
  group(suffix = 'group'): string {
    return `${this.name}-${suffix}`;
  }

  /** A handle of its own on the broker, not opened. */
  async handle(): Promise<Transport> {
    return this.#factory();
  }

  /** A started kernel. Each node has a handle of its own where the broker is elsewhere; else they share one. */
  async node(options: NodeOptions = {}): Promise<Node> {
    const { timeoutMs, through = [] } = this.settings;
    if (!this.claims.has('durable')) this.#shared ??= this.handle().then((transport) => new SharedHandle(transport));
    const shared = await this.#shared;
    const handle = shared?.transport ?? (await this.handle());
    const node = new Node({
      ...options,
      service: `${this.name}-${++this.#nodes}`,
      handle,
      transport: shared?.view() ?? handle,
      through: typeof through === 'function' ? through() : through,
      timeoutMs,
      logger: this.logger,
    });
    this.defer(() => node.kernel.stop(Math.min(timeoutMs, 500)));
    await node.start();
    return node;
  }

  /** Waits for a fact, `timeoutMs` and what is given beyond it at most. */
  until(fact: () => Awaitable<boolean>, what: string | (() => string), beyondMs = 0): Promise<void> {
    return until(fact, this.settings.timeoutMs + beyondMs, what);
  }

  /** Gives the transport time for what it must not do. */
  async quiet(): Promise<void> {
    await sleep(this.settings.quietMs);
  }

  /** Holds handlers until it is opened, at the latest when the case ends. */
  gate(): Gate {
    const gate = new Gate();
    this.#gates.push(gate);
    return gate;
  }

  /** A reason for which a delivery comes back, by default at once. */
  failure(retryAfterMs = 1, options: EventsErrorOptions = {}): EventsError {
    return new EventsError('EVENTS_CONFORMANCE_FAILURE', 'The handler fails, as the case wants it.', {
      retryAfterMs,
      ...options,
    });
  }

  /** Done when the case ends, the last first, whatever happened. */
  defer(task: () => Awaitable<unknown>): void {
    this.#closing.push(task);
  }

  readonly logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: (fields, message) => this.#log(fields, message),
    error: (fields, message) => this.#log(fields, message),
  };

  async close(): Promise<void> {
    const { timeoutMs } = this.settings;
    for (const gate of this.#gates) gate.open();
    const tasks = this.#closing.splice(0).reverse();
    await Promise.allSettled(
      tasks.map((task) => bounded((async () => task())(), timeoutMs, 'what a case opened is closed')),
    );
  }

  #log(fields: object, message: string): void {
    const { reason } = fields as { reason?: unknown };
    this.logged.push(reason instanceof Error ? `${message} (${reason.message})` : message);
    if (this.logged.length > LOG_LINES) this.logged.shift();
  }
}
