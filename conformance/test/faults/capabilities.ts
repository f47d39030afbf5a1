import { setTimeout as sleep } from 'node:timers/promises';
import type { Capabilities, Lease, Log, Store, Transport } from '@logistically/events-kernel';
import type { BrokerTransport } from '../transports/broker-transport.ts';
import { but, type Fault, fault } from './fault.ts';

/** The honest transport with another capability of that name. */
const replacing = <K extends keyof Capabilities>(
  name: K,
  replace: (honest: NonNullable<Capabilities[K]>, transport: BrokerTransport) => Capabilities[K],
) => {
  return (honest: BrokerTransport): Transport =>
    but(honest, { capabilities: { ...honest.capabilities, [name]: replace(honest.capabilities[name], honest) } });
};

/** Anything between reading and writing. */
const gap = (): Promise<void> => sleep(1);

const changing = (change: (store: Store) => Partial<Store>): ((honest: BrokerTransport) => Transport) =>
  replacing('store', (store) => ({ ...store, ...change(store) }));

const leasing = (change: (lease: Lease, store: Store, key: string) => Lease) =>
  changing((store) => ({
    lease: async (key, ttlMs) => {
      const lease = await store.lease(key, ttlMs);
      return lease && change(lease, store, key);
    },
  }));

const reading = (change: (log: Log, transport: BrokerTransport) => Partial<Log>) =>
  replacing('log', (log, transport) => ({ ...log, ...change(log, transport) }));

/** What goes wrong in a capability. */
export const capabilityFaults: readonly Fault[] = [
  fault(
    'reads on from the cursor itself',
    'log/pages',
    reading((log) => ({
      read: (topic, options = {}) => {
        const { from } = options;
        const before = typeof from === 'string' && /^[1-9]\d*$/.test(from) ? String(Number(from) - 1) : from;
        return log.read(topic, { ...options, ...(before !== undefined && { from: before }) });
      },
    })),
  ),
  fault(
    'reads from a time without looking at it',
    'log/by-time',
    reading((log) => ({
      read: (topic, options = {}) =>
        log.read(topic, options.from instanceof Date ? { ...options, from: 'earliest' } : options),
    })),
  ),
  fault(
    'takes from a group what it reads',
    'log/touches-no-group',
    reading((log, { broker }) => ({
      read: async (topic, options) => {
        for (const { entries, groups } of broker.topics.get(topic) ?? [])
          for (const group of groups.values()) group.next = entries.length;
        return log.read(topic, options);
      },
    })),
  ),
  fault(
    'makes topics by reading them',
    'log/topics',
    reading((log, { broker }) => {
      const read = new Set<string>();
      return {
        read: (topic, options) => {
          read.add(topic);
          return log.read(topic, options);
        },
        topics: async () => [...new Set([...read, ...broker.topics.keys()])],
      };
    }),
  ),
  fault(
    'takes any text for a cursor',
    'position/nonsense',
    reading((log) => ({
      read: (topic, options) => log.read(topic, options).catch(() => []),
    })),
  ),
  fault(
    'compares and sets in two steps',
    'store/compare-and-set-race',
    changing((store) => ({
      compareAndSet: async (key, expected, value, expiry) => {
        if ((await store.get(key)) !== expected) return false;
        await gap();
        await store.set(key, value, expiry);
        return true;
      },
    })),
  ),
  fault(
    'takes an empty text for absence',
    'store/compare-and-set',
    changing((store) => ({
      compareAndSet: async (key, expected, value, expiry) =>
        expected === undefined && (await store.get(key)) === ''
          ? store.compareAndSet(key, '', value, expiry)
          : store.compareAndSet(key, expected, value, expiry),
    })),
  ),
  fault(
    'sets if absent in two steps',
    'store/set-if-absent',
    changing((store) => ({
      setIfAbsent: async (key, value, expiry) => {
        if ((await store.get(key)) !== undefined) return false;
        await gap();
        await store.set(key, value, expiry);
        return true;
      },
    })),
  ),
  fault(
    'sets many if one is absent',
    'store/set-many',
    changing((store) => ({
      setMany: async (entries, { ifAbsent, ...expiry } = {}) => {
        const free = await Promise.all(entries.map(async ([key]) => (await store.get(key)) === undefined));
        if (!ifAbsent || free.some(Boolean)) await store.setMany(entries, expiry);
        return ifAbsent ? free : entries.map(() => true);
      },
    })),
  ),
  fault(
    'counts in two steps',
    'store/increment',
    changing((store) => ({
      increment: async (key, by = 1) => {
        const sum = Number((await store.get(key)) ?? 0) + by;
        await gap();
        await store.set(key, String(sum));
        return sum;
      },
    })),
  ),
  fault(
    'keeps what has expired',
    'store/expires',
    changing((store) => ({ set: (key, value) => store.set(key, value) })),
  ),
  fault(
    'deletes by pattern',
    'store/any-key',
    changing((store) => ({
      delete: async (key) => {
        await store.delete(key);
        if (key.endsWith('*')) for (const ending of ['a:b', 'a b']) await store.delete(key.slice(0, -2) + ending);
      },
    })),
  ),
  fault(
    'gives every holder the same token',
    'store/fencing',
    leasing((lease) => ({ ...lease, token: 1 })),
  ),
  fault(
    'lets anybody release a lease',
    'store/lease',
    replacing('store', (store, { broker }) => ({
      ...store,
      lease: async (key, ttlMs) => {
        const lease = await store.lease(key, ttlMs);
        return lease && { ...lease, release: async () => void broker.values.delete(`lease:${key}`) };
      },
    })),
  ),
  fault(
    'delivers too early',
    'delay/not-before',
    replacing('delay', (delay) => ({
      publishAt: (_, batch, settle) => delay.publishAt(0, batch, settle),
    })),
  ),
  fault('delays in the process that publishes', 'delay/outlives-its-publisher', (honest) => {
    const timers = new Set<NodeJS.Timeout>();
    const { delay } = honest.capabilities;
    return but(honest, {
      capabilities: {
        ...honest.capabilities,
        delay: {
          publishAt: (time, batch, settle) => {
            timers.add(setTimeout(() => delay.publishAt(0, batch, () => {}), Math.max(0, time - Date.now())));
            for (const event of batch) settle(event);
          },
        },
      },
      close: async () => {
        for (const timer of timers) clearTimeout(timer);
        await honest.close();
      },
    });
  }),
  fault(
    'copies a dead letter before it looks whose it is',
    'handoff/not-ours-any-more',
    replacing('handoff', (handoff, { broker }) => ({
      ...handoff,
      move: async (delivery, topic, notes) => {
        broker.append(topic, 0, delivery.payload, notes);
        await handoff.move(delivery, 'other', notes);
      },
    })),
  ),
  fault(
    'moves a delivery as often as it is told to',
    'handoff/once',
    replacing('handoff', (handoff, { broker }) => ({
      ...handoff,
      move: (delivery, topic, notes) =>
        handoff.move(delivery, topic, notes).catch(() => broker.append(topic, 0, delivery.payload, notes)),
    })),
  ),
  fault(
    'writes dead letters anew',
    'handoff/moves',
    replacing('handoff', (handoff) => ({
      ...handoff,
      move: (delivery, topic, notes) => {
        Object.assign(delivery, { payload: JSON.stringify(String(delivery.payload)) });
        return handoff.move(delivery, topic, notes);
      },
    })),
  ),
  fault(
    'acknowledges what it could not move',
    'handoff/refused',
    replacing('handoff', (handoff) => ({
      ...handoff,
      move: async (delivery, topic, notes) => {
        await handoff.move(delivery, 'sink', notes);
        await handoff.move(delivery, topic, notes);
      },
    })),
  ),
  fault(
    'moves dead letters back and keeps them',
    'handoff/entry-back',
    replacing('handoff', (handoff, { broker }) => ({
      ...handoff,
      moveEntry: async ({ topic: _, partition, payload: own }, topic, notes, payload = own) => {
        broker.append(topic, partition, payload, notes);
        return true;
      },
    })),
  ),
  fault(
    'moves dead letters back as they were, whatever is given',
    'handoff/entry-edited',
    replacing('handoff', (handoff) => ({
      ...handoff,
      moveEntry: (entry, topic, notes) => handoff.moveEntry(entry, topic, notes),
    })),
  ),
  fault(
    'tells everybody that the dead letter was theirs',
    'handoff/entry-once',
    replacing('handoff', (handoff) => ({
      ...handoff,
      remove: async (entry) => (await handoff.remove(entry)) || true,
    })),
  ),
  fault(
    'removes all dead letters up to one',
    'handoff/entry-removed',
    replacing('handoff', (handoff, { broker }) => ({
      ...handoff,
      remove: async (entry) => {
        for (let cursor = 1; cursor < Number(entry.cursor); cursor++)
          broker.remove(entry.topic, entry.partition, String(cursor));
        return handoff.remove(entry);
      },
    })),
  ),
  fault(
    'removes from any topic',
    'handoff/entry-refused',
    replacing('handoff', (handoff, { broker }) => ({
      ...handoff,
      remove: async ({ topic, partition, cursor }) => broker.remove(topic, partition, cursor),
    })),
  ),
  fault(
    'counts as pending what was never delivered',
    'inspect/away',
    replacing('inspect', (inspect) => ({
      topic: async (name) => {
        const { topic, partitions } = await inspect.topic(name);
        return {
          topic,
          partitions: partitions.map(({ groups, ...others }) => ({
            ...others,
            groups: groups.map((group) => ({ ...group, pending: group.pending + (group.lag ?? 0) })),
          })),
        };
      },
    })),
  ),
];
