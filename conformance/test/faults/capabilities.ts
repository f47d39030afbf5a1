import { setTimeout as sleep } from 'node:timers/promises';
import type { Capabilities, Lease, Log, Store, Transport } from '@logistically/events-kernel';
import { Broker } from '../transports/broker.ts';
import type { BrokerTransport } from '../transports/broker-transport.ts';
import { poor } from '../transports/poor.ts';
import { brokerFault, but, type Fault, fault } from './fault.ts';

/** The honest transport with another capability of that name. */
const replacing = <K extends keyof Capabilities>(
  name: K,
  replace: (honest: NonNullable<Capabilities[K]>, transport: BrokerTransport) => Capabilities[K],
) => {
  return (honest: BrokerTransport): Transport =>
    but(honest, { capabilities: { ...honest.capabilities, [name]: replace(honest.capabilities[name], honest) } });
};

/** The poor transport, with a capability flipped on that it does not have. */
const claiming = (claims: Capabilities, caughtBy: string): Fault => ({
  name: `claims ${Object.keys(claims)} and has not`,
  caughtBy,
  factory: () => ({ ...poor(), capabilities: claims }),
  options: { leaseMs: 60 },
});

const emptyStore: Store = {
  get: async () => undefined,
  set: async () => {},
  delete: async () => {},
  setIfAbsent: async () => true,
  compareAndSet: async () => true,
  increment: async () => 1,
  lease: async () => ({ token: 1, renew: async () => true, release: async () => {} }),
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

class StaysGone extends Broker {
  override wipe(): void {
    this.topics = new Map();
  }
}

/** What goes wrong in a capability, beginning with capabilities that are not there. */
export const capabilityFaults: readonly Fault[] = [
  claiming({ durable: 'server' }, 'durable/reaches-other-handles'),
  claiming({ groups: true }, 'groups/one-member-each'),
  claiming({ order: 'topic' }, 'order/as-published'),
  claiming({ log: { read: async () => [], topics: async () => [] } }, 'log/reads-what-was-published'),
  claiming({ store: emptyStore }, 'store/get-set-delete'),
  claiming(
    {
      delay: {
        publishAt: (_, batch, settle) => {
          for (const event of batch) settle(event);
        },
      },
    },
    'delay/not-before',
  ),
  claiming(
    { groups: true, log: { read: async () => [], topics: async () => [] }, handoff: { move: async () => {} } },
    'handoff/moves',
  ),
  claiming(
    { groups: true, inspect: { topic: async (topic) => ({ topic, partitions: [] }) } },
    'inspect/pending-and-lag',
  ),
  claiming({ sorted: true } as Capabilities, 'lifecycle/capabilities'),
  fault(
    'claims durability of the server and keeps all in memory',
    'recovery/keeps-what-was-confirmed',
    (honest) => honest,
    {
      ...(() => {
        const broker = new Broker();
        return { broker, options: { restart: async () => broker.wipe() } };
      })(),
    },
  ),
  fault('does not come back after a restart', 'recovery/after-restart', (honest) => {
    const { broker } = honest;
    const epoch = broker.epoch;
    return but(honest, {
      publish: (batch, settle) =>
        broker.epoch === epoch
          ? honest.publish(batch, settle)
          : batch.forEach((event) => settle(event, new Error('gone'))),
    });
  }),
  brokerFault('says nothing when everything is gone', 'recovery/wiped', new StaysGone()),
  fault('waits for a frozen broker', 'recovery/frozen', (honest) => honest, { deadlineMs: 3_600_000 }),
  fault('finds something wrong when all is well', 'lifecycle/health', (honest) =>
    but(honest, { health: async () => ['a feeling'] }),
  ),
  fault('cannot be opened again', 'lifecycle/reopens', (honest) => {
    let opened = false;
    return but(honest, {
      open: async (host) => {
        if (opened) throw new Error('used up');
        opened = true;
        await honest.open(host);
      },
    });
  }),
  fault('cannot be closed before it was opened', 'lifecycle/close-unopened', (honest) => {
    let opened = false;
    return but(honest, {
      open: (host) => {
        opened = true;
        return honest.open(host);
      },
      close: async () => {
        if (!opened) throw new Error('not open');
        await honest.close();
      },
    });
  }),
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
    changing((store) => {
      let release = async (): Promise<void> => {};
      return {
        lease: async (key, ttlMs) => {
          const lease = await store.lease(key, ttlMs);
          if (lease) release = lease.release;
          return lease && { ...lease, release: () => release() };
        },
      };
    }),
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
      move: (delivery, topic, notes) =>
        handoff.move(delivery, topic, notes).catch(() => broker.append(topic, 0, delivery.payload, notes)),
    })),
  ),
  fault(
    'writes dead letters anew',
    'handoff/moves',
    replacing('handoff', (handoff) => ({
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
      move: async (delivery, topic, notes) => {
        await handoff.move(delivery, 'sink', notes);
        await handoff.move(delivery, topic, notes);
      },
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
