import type { Core } from './core.ts';
import type { Envelope } from './envelope.ts';
import { aborted, fail, PublishError, type PublishFailure } from './error.ts';
import { memo } from './memo.ts';
import { type EventOptions, type Outcome, OutgoingEvent } from './outgoing-event.ts';
import { type Path, pass, type Settle } from './path.ts';
import { checkType } from './pattern.ts';
import { onAbort } from './signal.ts';
import { checkTopic } from './topic.ts';

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

/** Makes events and sends them down the publish path; keeps count of those that are not settled. */
interface Publisher {
  readonly create: (type: string, body: unknown, options?: EventOptions) => OutgoingEvent;
  readonly publish: (type: string, body: unknown, options?: PublishOptions) => Promise<Envelope>;
  readonly publishBatch: (events: readonly BatchEvent[]) => Promise<readonly Envelope[]>;
  /** Sends events down `path` from now on; without one, refuses them. */
  readonly open: (path?: Path<OutgoingEvent>) => void;
  readonly stats: () => { readonly published: number; readonly publishFailed: number; readonly publishing: number };
}

/** Resolves or rejects as the event is settled, or rejects when the signal fires. */
const settlementOf = (event: OutgoingEvent, signal: AbortSignal | undefined): Promise<Envelope> =>
  new Promise((resolve, reject) => {
    const ignore = signal && onAbort(signal, () => reject(aborted(`Publishing ${event.type}`, signal)));
    const settled = (outcome: Outcome): void => {
      ignore?.();
      if (outcome === true) resolve(event);
      else reject(outcome.reason);
    };
    if (event._outcome) settled(event._outcome);
    else event._whenSettled = settled;
  });

export const createPublisher = (core: Core): Publisher => {
  const { context, topics, emit, transportOf } = core;
  const closed: Path<OutgoingEvent> = () =>
    fail('EVENTS_NOT_RUNNING', 'The kernel is not running: publish after start().');
  let path = closed;
  let published = 0;
  let publishFailed = 0;
  let publishing = 0;

  const routeOf = memo((type) => ({
    type: checkType(type),
    topic: checkTopic(topics.topicOf(type)),
    transport: transportOf().name,
  }));

  const create = (type: string, body: unknown, options?: EventOptions): OutgoingEvent => {
    if (typeof (options?.key ?? '') !== 'string') fail('EVENTS_CONFIG', '`key` must be a string.');
    return new OutgoingEvent(core, routeOf(type), body, Date.now(), options, context.cause());
  };

  const settle: Settle<OutgoingEvent> = (settled, reason) => {
    const event = settled._origin ?? settled;
    if (event._outcome) return;
    event._outcome = reason === undefined || { reason };
    publishing--;
    if (reason === undefined) published++;
    else {
      publishFailed++;
      emit('publishFailed', { event, reason });
    }
    event._whenSettled?.(event._outcome);
  };

  const send = (batch: readonly OutgoingEvent[]): void => {
    publishing += batch.length;
    pass(path, batch, settle);
  };

  return {
    create,
    publish(type, body, options) {
      const signal = options?.signal;
      let event: OutgoingEvent;
      try {
        event = create(type, body, options);
        if (signal?.aborted) throw aborted(`Publishing ${type}`, signal);
      } catch (thrown) {
        return Promise.reject(thrown);
      }
      send([event]);
      return event._outcome === true ? Promise.resolve(event) : settlementOf(event, signal);
    },
    async publishBatch(events) {
      if (!Array.isArray(events)) fail('EVENTS_CONFIG', 'publishBatch() takes an array of events.');
      // A copy has no holes, and nobody changes it while the events are on their way.
      const given: readonly (BatchEvent | undefined)[] = [...events];
      const batch: OutgoingEvent[] = [];
      /** Sparse: of those that failed, each at its place. */
      const failures: PublishFailure[] = [];
      await new Promise<void>((resolve) => {
        let open = given.length + 1;
        const done = (index: number, outcome: Outcome): void => {
          if (outcome !== true) failures[index] = { index, type: given[index]?.type as string, reason: outcome.reason };
          if (!--open) resolve();
        };
        given.forEach((each, index) => {
          try {
            const event = create(each?.type as string, each?.body, each);
            event._whenSettled = (outcome) => done(index, outcome);
            batch.push(event);
          } catch (reason) {
            done(index, { reason });
          }
        });
        if (batch.length) send(batch);
        done(0, true);
      });
      if (!failures.length) return batch;
      throw new PublishError(failures.flat(), given.length);
    },
    open: (to = closed) => {
      path = to;
    },
    stats: () => ({ published, publishFailed, publishing }),
  };
};
