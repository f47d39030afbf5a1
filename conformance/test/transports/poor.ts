import {
  asReason,
  type Capabilities,
  Delivery,
  EventsError,
  isEventsError,
  type Path,
  type Transport,
  type TransportHost,
} from '@logistically/events-kernel';

interface Subscriber {
  readonly takes: (topic: string) => boolean;
  readonly offer: (topic: string, payload: string | Uint8Array) => void;
}

const BACKOFF_MS = 5;

/** Honest and poor: no groups, no log, no order, and what was not settled when a subscription closes is gone. */
export const poor = (): Transport<Capabilities> => {
  const subscribers = new Set<Subscriber>();
  let host: TransportHost | undefined;
  let count = 0;
  return {
    kind: 'transport',
    name: 'poor',
    capabilities: {},
    open: async (own) => {
      host = own;
    },
    publish: (batch, settle) => {
      // Of events that are published together the last comes first: nobody promised an order.
      for (const event of batch.toReversed()) {
        try {
          if (!host) throw new EventsError('EVENTS_POOR_CLOSED', 'The transport is closed: open it first.');
          if (event.partition) throw new EventsError('EVENTS_POOR_PARTITION', 'There is partition 0 only.');
          const { topic, payload } = event;
          const due = [...subscribers].filter(({ takes }) => takes(topic));
          setImmediate(() => {
            for (const { offer } of due) offer(topic, payload);
          });
          settle(event);
        } catch (thrown) {
          settle(event, asReason(thrown));
        }
      }
    },
    subscribe: async ({ topics, concurrency, partitions }, deliver: Path<Delivery>) => {
      const waiting: Delivery[] = [];
      const retries = new Set<NodeJS.Timeout>();
      let [room, open] = [concurrency, true];
      const pump = (): void => {
        while (open && room > 0 && waiting.length > 0) {
          room--;
          let settled = false;
          deliver([waiting.pop() as Delivery], ({ topic, cursor, attempt, payload }, reason) => {
            if (settled) return;
            settled = true;
            room++;
            if (reason !== undefined) {
              const retry = setTimeout(
                () => {
                  retries.delete(retry);
                  const next = isEventsError(reason) && reason.uncounted ? attempt : attempt + 1;
                  waiting.unshift(new Delivery(topic, 0, cursor, next, payload));
                  pump();
                },
                (isEventsError(reason) ? reason.retryAfterMs : undefined) ?? BACKOFF_MS,
              );
              retries.add(retry);
            }
            setImmediate(pump);
          });
        }
      };
      const subscriber: Subscriber = {
        takes: (topic) =>
          (topics === 'all' ? !topic.includes(':') : topics.includes(topic)) && (partitions?.includes(0) ?? true),
        offer: (topic, payload) => {
          waiting.push(new Delivery(topic, 0, String(++count), 1, payload));
          pump();
        },
      };
      subscribers.add(subscriber);
      const stop = async (): Promise<void> => {
        open = false;
        subscribers.delete(subscriber);
        for (const retry of retries) clearTimeout(retry);
      };
      return { stop, close: stop };
    },
    close: async () => {
      host = undefined;
      subscribers.clear();
    },
  };
};
