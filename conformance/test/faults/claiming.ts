import type { Capabilities, Store } from '@logistically/events-kernel';
import { Broker } from '../transports/broker.ts';
import { poor } from '../transports/poor.ts';
import { brokerFault, but, type Fault, fault } from './fault.ts';

/** The poor transport, with a capability flipped on that it does not have. */
const claiming = (claims: Capabilities, caughtBy: string): Fault => ({
  name: `claims ${Object.keys(claims)} and has not`,
  caughtBy,
  factory: () => ({ ...poor(), capabilities: claims }),
  options: { leaseMs: 150 },
});

const emptyStore: Store = {
  get: async () => undefined,
  set: async () => {},
  delete: async () => {},
  setIfAbsent: async () => true,
  setMany: async (entries) => entries.map(() => true),
  compareAndSet: async () => true,
  increment: async () => 1,
  lease: async () => ({ token: 1, renew: async () => true, release: async () => {} }),
};

class StaysGone extends Broker {
  override wipe(): void {
    this.topics = new Map();
  }
}

/** Capabilities that are claimed and not there, and what goes wrong in the life of a transport. */
export const claimingFaults: readonly Fault[] = [
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
    {
      groups: true,
      log: { read: async () => [], topics: async () => [] },
      handoff: { move: async () => {}, moveEntry: async () => true, remove: async () => true },
    },
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
    const refuse: typeof honest.publish = (batch, settle) => {
      for (const event of batch) settle(event, new Error('gone'));
    };
    return but(honest, {
      publish: (batch, settle) => (broker.epoch === epoch ? honest.publish : refuse)(batch, settle),
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
];
