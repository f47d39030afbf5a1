import { createKernel, type EventBus } from '@logistically/events-kernel';
import { redisCluster } from '@logistically/events-redis-cluster';
import { redisSentinel } from '@logistically/events-redis-sentinel';
import { now } from '../clock.ts';
import { PARTITIONS, type Tick } from './load.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where the servers are: the sentinels, or the nodes of a cluster. */
export type Place = { readonly sentinels: readonly Address[] } | { readonly clusterNodes: readonly Address[] };

/** What all processes of a run have to agree on. */
export interface BusPlan {
  readonly place: Place;
  readonly prefix: string;
  readonly type: string;
  readonly durability?: { readonly replicas: number; readonly timeoutMs: number };
}

/** How long somebody who is gone keeps what it had, in ms. */
const LEASE_MS = 2000;
const MAX_NOTES = 300;

type Bus = EventBus<{ readonly [type: string]: Tick }>;

const silent = { debug() {}, info() {}, warn() {}, error() {} };

const reasonOf = (event: object): string => {
  if (!('reason' in event)) return '';
  return event.reason instanceof Error ? event.reason.message : String(event.reason);
};

/** What a process saw of its connections and in the background, in words. */
export type Notes = readonly string[];

/** The bus of one process, not started, with the transport's own defaults for all deadlines. */
export const createBus = ({ place, prefix, durability }: BusPlan): { readonly bus: Bus; readonly notes: Notes } => {
  const options = {
    prefix,
    partitions: PARTITIONS,
    leaseMs: LEASE_MS,
    claimIntervalMs: 250,
    ...(durability && { durability }),
  };
  const transport =
    'sentinels' in place ? redisSentinel({ ...place, ...options }) : redisCluster({ ...place, ...options });
  const bus: Bus = createKernel<{ readonly [type: string]: Tick }>({ service: 'ha', logger: silent }).use(transport);
  const notes: string[] = [];
  bus.on('*', (type, event) => {
    if (type === 'publishFailed' || notes.length >= MAX_NOTES) return;
    notes.push(`${now().toFixed(0)} ${type} ${reasonOf(event)}`.trimEnd());
  });
  return { bus, notes };
};
