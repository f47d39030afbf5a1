import {
  type Capabilities,
  Delivery,
  type Handoff,
  type Inspect,
  type Log,
  type LogEntry,
  originOf,
  type Path,
  type Store,
  type Transport,
  type TransportSubscription,
} from '../src/index.ts';

export interface LoopCapabilities extends Capabilities {
  readonly groups: true;
  readonly log: Log;
  readonly store: Store;
  readonly handoff: Handoff;
  readonly inspect: Inspect;
}

/** The least transport that publishes to its own subscriptions: what is not done comes back at once. No limits, no promises. */
export const loop = (name = 'loop'): Transport<LoopCapabilities> => {
  const entries: LogEntry[] = [];
  let stores = 0;
  const values = new Map<string, string>();
  const open = new Set<{ subscription: TransportSubscription; deliver: Path<Delivery> }>();

  const hand = (deliver: Path<Delivery>, entry: LogEntry, attempt: number): void => {
    const delivery = new Delivery(entry.topic, entry.partition, entry.cursor, attempt, entry.payload);
    delivery.notes = entry.notes;
    deliver([delivery], (_, reason) => {
      if (reason !== undefined) setImmediate(hand, deliver, entry, attempt + 1);
    });
  };
  const store = (entry: Omit<LogEntry, 'cursor' | 'time'>): void => {
    const stored = { ...entry, cursor: `${++stores}`, time: Date.now() };
    entries.push(stored);
    const groups = new Set<string>();
    for (const { subscription, deliver } of open) {
      const { group, topics, partitions } = subscription;
      const wants = topics === 'all' ? !entry.topic.includes(':') : topics.includes(entry.topic);
      if (!wants || groups.has(group) || partitions?.includes(entry.partition) === false) continue;
      groups.add(group);
      setImmediate(hand, deliver, stored, 1);
    }
  };

  const take = ({ cursor }: LogEntry): boolean => {
    const index = entries.findIndex((entry) => entry.cursor === cursor);
    return index >= 0 && entries.splice(index, 1).length > 0;
  };

  return {
    kind: 'transport',
    name,
    capabilities: {
      groups: true,
      log: {
        read: async (topic) => entries.filter((entry) => entry.topic === topic),
        topics: async () => [...new Set(entries.map(({ topic }) => topic))],
      },
      store: {
        get: async (key) => values.get(key),
        set: async (key, value) => void values.set(key, value),
        delete: async (key) => void values.delete(key),
        setIfAbsent: async (key, value) => !values.has(key) && values.set(key, value).has(key),
        setMany: async (entries) => entries.map(([key, value]) => values.set(key, value).has(key)),
        compareAndSet: async (key, expected, value) => values.get(key) === expected && values.set(key, value).has(key),
        increment: async (key, by = 1) => Number(values.set(key, `${Number(values.get(key) ?? 0) + by}`).get(key)),
        lease: async () => ({ token: 1, renew: async () => true, release: async () => {} }),
      },
      handoff: {
        move: async (delivery, topic, notes) => {
          const { partition, payload } = originOf(delivery);
          store({ topic, partition, payload, notes });
        },
        moveEntry: async (entry, topic, notes, payload = entry.payload) => {
          const there = take(entry);
          if (there) store({ topic, partition: entry.partition, payload, notes });
          return there;
        },
        remove: async (entry) => take(entry),
      },
      inspect: { topic: async (topic) => ({ topic, partitions: [] }) },
    },
    open: async () => {},
    publish: (batch, settle) => {
      for (const event of batch) {
        store({ topic: event.topic, partition: event.partition ?? 0, payload: event.payload });
        settle(event);
      }
    },
    subscribe: async (subscription, deliver) => {
      const opened = { subscription, deliver };
      open.add(opened);
      return { stop: async () => void open.delete(opened), close: async () => {} };
    },
    close: async () => {},
  };
};
