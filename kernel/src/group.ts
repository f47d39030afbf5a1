import { undecodable } from './codec.ts';
import type { Core } from './core.ts';
import type { Delivery } from './delivery.ts';
import type { Envelope } from './envelope.ts';
import { OutgoingEvent } from './outgoing-event.ts';
import type { Settle } from './path.ts';
import { isType, Patterns } from './pattern.ts';
import { type AnyHandler, createWorker, type Worker } from './worker.ts';

/** The handlers of one group. */
export interface Group {
  /** Adds a handler; returns what removes it, which then tells how many deliveries the handler still has. */
  readonly add: (pattern: string, handler: AnyHandler, concurrency: number) => () => () => number;
  /** The end of the consume path: gives a decoded delivery to every handler that takes it. */
  readonly receive: (delivery: Delivery, settle: Settle<Delivery>) => void;
}

/**
 * An event goes to every handler of the group whose pattern takes it and is done when all are done. If some failed, those that
 * succeeded are not called again when it comes back to this process.
 */
export const createGroup = ({ context, counts, sees }: Core): Group => {
  const workers = new Patterns<Worker>();
  const remembered = new Map<string, Set<Worker>>();

  const fanOut = (found: readonly Worker[], delivery: Delivery, settle: Settle<Delivery>): void => {
    const key = `${delivery.topic}/${delivery.partition}/${delivery.cursor}`;
    const succeeded = remembered.get(key) ?? new Set();
    let open = 1;
    let failure: unknown;
    const close = (): void => {
      if (--open) return;
      // Bounded: what is forgotten costs a handler a second call, never an event.
      if (remembered.size > 9999) remembered.clear();
      if (failure !== undefined) remembered.set(key, succeeded);
      else remembered.delete(key);
      settle(delivery, failure);
    };
    for (const worker of found)
      if (!succeeded.has(worker)) {
        open++;
        worker.handle(delivery, (_, reason) => {
          if (reason === undefined) succeeded.add(worker);
          failure ??= reason;
          close();
        });
      }
    close();
  };

  return {
    add(pattern, handler, concurrency) {
      const worker = createWorker(handler, context, concurrency);
      const remove = workers.add(pattern, worker);
      return () => {
        remove();
        return worker.busy;
      };
    },
    receive(delivery, settle) {
      const envelope = delivery.envelope as Envelope;
      // One that is passed by reference has a type before it has a header.
      const type = envelope instanceof OutgoingEvent ? envelope.type : envelope.header.type;
      const found = sees(envelope) ? workers.match(type) : [];
      if (found.length > 1 || (found.length && remembered.size)) fanOut(found, delivery, settle);
      else if (found[0]) found[0].handle(delivery, settle);
      else if (isType(type)) {
        counts.filtered++;
        settle(delivery);
      } else settle(delivery, undecodable('its type is none'));
    },
  };
};
