import type { Payload } from './codec.ts';
import type { Envelope } from './envelope.ts';
import type { Logger } from './logger.ts';
import type { Settle } from './path.ts';
import type { Session } from './session.ts';

/** What a handler is told beside the event. */
export interface HandlerContext {
  /** Name of the transport that it came by. */
  readonly transport: string;
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  /** Position in the topic's partition, as the transport writes it. */
  readonly cursor: string;
  /** 1 for the first delivery in this group. */
  readonly attempt: number;
  /** Fires when the service shuts down, or when the lease is lost and somebody else may take the event over. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** What a layer may change of a delivery. */
export interface DeliveryChanges {
  /** Voids what was decoded from the old one. */
  readonly payload?: Payload;
  readonly envelope?: Envelope;
}

/**
 * One arrival of an event in a group: on the consume path, and the context of its handler. A transport makes it; it may extend
 * the class by what it needs to settle. Immutable for layers; `derive` makes a changed copy.
 */
export class Delivery implements HandlerContext {
  // Only declared, as in OutgoingEvent: a class field would be written twice.
  declare readonly topic: string;
  declare readonly partition: number;
  declare readonly cursor: string;
  declare readonly attempt: number;
  /** The event as the broker keeps it. */
  declare readonly payload: Payload;
  /** The decoded event. Set by the kernel's decode stage, or by a transport that passes events by reference. */
  envelope: Envelope | undefined;
  /** What `handoff.move` wrote beside the entry; set by the transport. */
  notes: Readonly<Record<string, string>> | undefined;
  /** @internal */ _session: Session | undefined;
  /** @internal The transport's; undefined once settled. */ _settle: Settle<Delivery> | undefined;
  /** @internal */ _abort: AbortController | undefined;
  /** @internal Handlers that are at work on it or have failed, of those that are not done in one go. */ _tried = 0;
  /** @internal */ _origin: Delivery | undefined;

  /** `attempt` counts from 1. */
  constructor(topic: string, partition: number, cursor: string, attempt: number, payload: Payload) {
    this.topic = topic;
    this.partition = partition;
    this.cursor = cursor;
    this.attempt = attempt;
    this.payload = payload;
  }

  /** Whether a handler is at work on it or has failed: who takes it back counts an attempt only then. */
  get tried(): boolean {
    return originOf(this)._tried > 0;
  }

  get transport(): string {
    return this._session?.transport ?? '';
  }

  get group(): string {
    return this._session?.group ?? '';
  }

  get logger(): Logger {
    return (this._session as Session).logger;
  }

  get signal(): AbortSignal {
    return controllerOf(this).signal;
  }

  /** Fires the handler's signal: the lease is lost, or time is up. */
  abort(reason: unknown): void {
    controllerOf(this).abort(reason);
  }

  /** What a person wants to see of it, and what JSON takes of it: where it is, and nothing of what the event says. */
  toJSON(): object {
    const { transport, topic, partition, group, cursor, attempt } = this;
    return { transport, topic, partition, group, cursor, attempt };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON();
  }

  /** @internal */
  _derive(changes: DeliveryChanges): Delivery {
    return Object.assign(
      Object.create(Object.getPrototypeOf(this)),
      this,
      changes.payload !== undefined && { envelope: undefined },
      changes,
      { _origin: originOf(this) },
    );
  }
}

/** The delivery that the transport made, of one that layers may have derived from it. */
export const originOf = (delivery: Delivery): Delivery => delivery._origin ?? delivery;

/** Made when somebody looks: most handlers never do, and it costs more than all else that is done for a delivery. */
const controllerOf = (delivery: Delivery): AbortController => {
  const own = originOf(delivery);
  if (!own._abort) {
    own._abort = new AbortController();
    // What is settled is nobody's to abort any more.
    if (own._settle) own._session?.watch(own._abort);
  }
  return own._abort;
};
