import { hostname } from 'node:os';
import {
  checkTopic,
  type Delivery,
  type Envelope,
  EventsError,
  type Handoff,
  type Host,
  isEventsError,
  type Layer,
  originOf,
  type Settle,
  type Transport,
} from '@logistically/events-kernel';
import { builtInClass, isClass } from './classification.ts';
import { type Failure, failureOf, isUndecided, rootOf } from './failure.ts';
import { FirstFailures } from './first-failures.ts';
import { homeOf, notesOf, redrivesOf } from './notes.ts';
import type { PoisonMetadata, Settings } from './options.ts';

/** What a handler throws may itself throw when it is looked at. */
const isPermanent = (reason: unknown): boolean => {
  try {
    return (Object(reason) as { readonly permanent?: unknown }).permanent === true;
  } catch {
    return false;
  }
};

/** Whether a delivery did not fail of itself: its service stops, and the signal has told the handler so. */
const isInterrupted = ({ signal }: Delivery): boolean =>
  signal.aborted && isEventsError(signal.reason) && signal.reason.code === 'EVENTS_ABORTED';

const isTopic = (name: string): boolean => {
  try {
    return checkTopic(name) === name;
  } catch {
    return false;
  }
};

/** Without it, the deploys of a few days would use up the attempts of what takes long. */
const interrupted = (cause: unknown): EventsError =>
  new EventsError(
    'EVENTS_DLQ_INTERRUPTED',
    'It was ended by the stop of its service, which is no attempt: see `cause`.',
    {
      cause,
      retryAfterMs: 0,
      uncounted: true,
    },
  );

/** Moves what can never be handled to the dead letters, and settles it when it is there. */
export class Burial {
  readonly #host: Host;
  readonly #settings: Settings;
  readonly #firstFailures: FirstFailures;
  /** This process, as a dead letter tells it. */
  readonly #consumer: string;
  /** Being moved: what settles them once more is not heard. */
  readonly #moving = new WeakSet<Delivery>();

  constructor(host: Host, settings: Settings) {
    this.#host = host;
    this.#settings = settings;
    this.#consumer = `${host.service}@${hostname()}:${process.pid}`;
    this.#firstFailures = new FirstFailures(
      (delivery) => this.#transportOf(delivery)?.capabilities.store,
      (reason) => host.emit('error', { source: 'dlq', reason }),
    );
  }

  readonly layer: Layer<Delivery> = (next) => (batch, settle) =>
    next(batch, (delivery, reason) => {
      if (reason !== undefined) this.#fail(delivery, reason, settle);
      else {
        this.#firstFailures.forget(delivery);
        settle(delivery);
      }
    });

  #fail(delivery: Delivery, reason: unknown, settle: Settle<Delivery>): void {
    const origin = originOf(delivery);
    if (this.#moving.has(origin)) return;
    const handoff = this.#transportOf(delivery)?.capabilities.handoff;
    // A dead letter that fails once more is not moved again: it is where it belongs.
    if (!handoff || delivery.topic.startsWith(this.#settings.prefix)) {
      settle(delivery, reason);
      return;
    }
    const isOpen = !isPermanent(reason) && !isUndecided(reason);
    if (isOpen && isInterrupted(delivery)) {
      settle(delivery, interrupted(reason));
      return;
    }
    const isLast = isOpen && delivery.attempt >= this.#settings.maxAttempts;
    if (!isPermanent(reason) && !isLast) {
      this.#firstFailures.remember(delivery);
      settle(delivery, reason);
      return;
    }
    this.#moving.add(origin);
    this.#bury(delivery, reason, handoff)
      .then(
        () => settle(delivery),
        (cause) => {
          this.#moving.delete(origin);
          this.#host.emit('error', { source: 'dlq', reason: cause });
          settle(delivery, this.#notStored(delivery, reason));
        },
      )
      .catch((thrown) => this.#host.emit('error', { source: 'dlq', reason: thrown }));
  }

  /** Never of the code EVENTS_UNDECODABLE: the kernel would take that for settled. */
  #notStored({ topic }: Delivery, cause: unknown): EventsError {
    const message = `A dead letter of ${topic} could not be stored; it comes again: see the \`error\` event.`;
    return new EventsError('EVENTS_DLQ_NOT_STORED', message, { cause, retryAfterMs: this.#settings.retryMs });
  }

  async #bury(delivery: Delivery, reason: unknown, handoff: Handoff): Promise<void> {
    const { prefix, byClass } = this.#settings;
    const failedAt = new Date().toISOString();
    const error = rootOf(reason);
    const failure = failureOf(error);
    const classOf = this.#classOf(error, failure, delivery);
    const firstFailedAt = delivery.notes?.firstFailedAt ?? (await this.#firstFailures.recall(delivery, failedAt));
    const envelope = this.#envelopeOf(delivery);
    const whole = `${prefix}${homeOf(delivery.topic)}`;
    const ofClass = `${whole}:${classOf}`;
    // A name has an end: better in the wrong drawer than in none.
    const dlqTopic = byClass && isTopic(ofClass) ? ofClass : whole;
    const notes = notesOf(delivery, this.#consumer, envelope, failure, classOf, { firstFailedAt, failedAt });
    await handoff.move(delivery, dlqTopic, notes);
    this.#firstFailures.drop(delivery);
    this.#tell(envelope, error, {
      topic: delivery.topic,
      partition: delivery.partition,
      cursor: delivery.cursor,
      group: delivery.group,
      dlqTopic,
      class: classOf,
      code: failure.code,
      fingerprint: failure.fingerprint,
      attempts: delivery.attempt,
      redrives: redrivesOf(delivery.notes),
      firstFailedAt,
      failedAt,
      payload: delivery.payload,
    });
  }

  #classOf(error: unknown, failure: Failure, delivery: Delivery): string {
    try {
      const own = this.#settings.classify?.(error, delivery);
      if (own === undefined) return builtInClass(failure);
      if (isClass(own)) return own;
      this.#host.logger.warn({ topic: delivery.topic }, 'dlq: `classify` gave what is no name of a class.');
    } catch (thrown) {
      this.#host.emit('error', { source: 'dlq', reason: thrown });
    }
    return builtInClass(failure);
  }

  #envelopeOf(delivery: Delivery): Envelope | undefined {
    if (delivery.envelope) return delivery.envelope;
    try {
      return this.#host.codec.decode(delivery.payload);
    } catch {
      return undefined;
    }
  }

  /** The move is done: nothing that goes wrong here changes that. */
  #tell(envelope: Envelope | undefined, error: unknown, metadata: PoisonMetadata): void {
    const { topic, partition, cursor, class: classOf, code, fingerprint } = metadata;
    (async () => {
      const detail = { topic, class: classOf, code, fingerprint };
      this.#host.emit('notice', { plugin: 'dlq', what: 'dead-letter', detail });
      await this.#settings.poisonMessageHandler?.(envelope, error, metadata);
    })().catch((reason) => {
      this.#host.logger.error({ topic, partition, cursor, reason }, 'dlq: the poisonMessageHandler failed.');
    });
  }

  #transportOf({ transport }: Delivery): Transport | undefined {
    return this.#host.transports().find(({ name }) => name === transport);
  }
}
