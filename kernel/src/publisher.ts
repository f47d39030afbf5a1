import { EventsError, PublishError, type PublishFailure } from './error.ts';
import { type Envelope, type EventOptions, type EventSource, OutgoingEvent, type Route } from './event.ts';
import { asReason, type Path, type Settle } from './path.ts';
import { checkType } from './pattern.ts';
import type { Context } from './context.ts';
import type { LifecycleEvents } from './lifecycle.ts';
import { checkTopic, type TopicStrategy } from './topic.ts';

/** What `publish` takes beside type and body. */
export interface PublishOptions extends EventOptions {
  /** Gives up waiting: the promise rejects with `EVENTS_ABORTED`. The event may be stored all the same. */
  readonly signal?: AbortSignal;
}

/** One event of `publishBatch`. */
export interface BatchEvent<Type extends string = string, Body = unknown> extends EventOptions {
  readonly type: Type;
  readonly body: Body;
}

interface PublisherOptions {
  readonly source: EventSource;
  readonly context: Context;
  readonly topics: TopicStrategy;
  readonly emit: (type: 'publishFailed', event: LifecycleEvents['publishFailed']) => void;
  readonly knows: (transport: string) => boolean;
}

/** Makes events and sends them down the publish path; keeps count of those that are not settled. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #routes = new Map<string, Route>();
  #idle: (() => void) | undefined;
  path: Path<OutgoingEvent> | undefined;
  defaultTransport = '';
  published = 0;
  failed = 0;
  pending = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  publish(type: string, body: unknown, options?: PublishOptions): Promise<Envelope> {
    const signal = options?.signal;
    let event: OutgoingEvent;
    try {
      signal?.throwIfAborted();
      event = this.#create(type, body, options);
    } catch (thrown) {
      return Promise.reject(signal?.aborted ? aborted(type, signal) : thrown);
    }
    this.#send([event]);
    if (event._state === 1) return Promise.resolve(event);
    if (event._state === 2) return Promise.reject(event._reason);
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(aborted(type, signal as AbortSignal));
      event._waiter = () => {
        signal?.removeEventListener('abort', giveUp);
        if (event._state === 1) resolve(event);
        else reject(event._reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  async publishBatch(events: readonly BatchEvent[]): Promise<readonly Envelope[]> {
    const failures: PublishFailure[] = [];
    const created = new Map<OutgoingEvent, number>();
    events.forEach((event, index) => {
      try {
        created.set(this.#create(event.type, event.body, event), index);
      } catch (reason) {
        failures.push({ index, type: String(event?.type), reason });
      }
    });
    const batch = [...created.keys()];
    let open = batch.length;
    if (open > 0) {
      await new Promise<void>((resolve) => {
        const settled = (event: OutgoingEvent): void => {
          if (event._state === 2)
            failures.push({ index: created.get(event) as number, type: event.type, reason: event._reason });
          if (--open === 0) resolve();
        };
        for (const event of batch) event._waiter = settled;
        this.#send(batch);
      });
    }
    if (failures.length > 0)
      throw new PublishError(
        failures.sort((a, b) => a.index - b.index),
        events.length,
      );
    return batch;
  }

  /** Resolves when everything is settled. */
  idle(): Promise<void> {
    return this.pending === 0 ? Promise.resolve() : new Promise((resolve) => (this.#idle = resolve));
  }

  #create(type: string, body: unknown, options: EventOptions | undefined): OutgoingEvent {
    if (!this.path)
      throw new EventsError('EVENTS_NOT_RUNNING', 'The kernel is not running: await kernel.start() before you publish.');
    const route = this.#routes.get(type) ?? this.#route(type);
    if (options !== undefined) this.#check(options);
    const { source, context } = this.#options;
    return new OutgoingEvent(source, route, body, Date.now(), options, context.current());
  }

  #check({ key, partition, transport }: EventOptions): void {
    if (key !== undefined && typeof key !== 'string')
      throw new EventsError('EVENTS_CONFIG', `\`key\` must be a string, not ${typeof key}.`);
    if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0))
      throw new EventsError('EVENTS_CONFIG', '`partition` must be a whole number from 0 on.');
    if (transport !== undefined && !this.#options.knows(transport))
      throw new EventsError('EVENTS_NO_TRANSPORT', `There is no transport ${JSON.stringify(transport)}: use() it first.`);
  }

  #route(type: string): Route {
    checkType(type);
    const topic = this.#options.topics.topicOf(type);
    checkTopic(topic);
    const route = { type, topic, transport: this.defaultTransport };
    if (this.#routes.size >= 4096) this.#routes.clear();
    this.#routes.set(type, route);
    return route;
  }

  #send(batch: readonly OutgoingEvent[]): void {
    this.pending += batch.length;
    try {
      (this.path as Path<OutgoingEvent>)(batch, this.#settle);
    } catch (thrown) {
      for (const event of batch) if (event._state === 0) this.#settle(event, asReason(thrown));
    }
  }

  readonly #settle: Settle<OutgoingEvent> = (event, reason) => {
    if (event._state !== 0) return;
    if (reason === undefined) {
      event._state = 1;
      this.published++;
    } else {
      event._state = 2;
      event._reason = reason;
      this.failed++;
      this.#options.emit('publishFailed', { event, reason });
    }
    event._waiter?.(event);
    if (--this.pending === 0) this.#idle?.();
  };
}

const aborted = (type: string, signal: AbortSignal): EventsError =>
  new EventsError('EVENTS_ABORTED', `Publishing ${type} was aborted by its signal. The event may be stored all the same.`, {
    cause: signal.reason,
  });
