/** The body of every event: its partition, its place in that, and when it was published (ms on the clock of the machine). */
export interface Tick {
  readonly p: number;
  readonly n: number;
  readonly at: number;
}

/** An event that was published, and how that ended. */
export interface Publication extends Tick {
  readonly settledAt: number;
  /** Why it was rejected; undefined where it was confirmed. */
  readonly code?: string;
}

/** An event that came to a handler. */
export interface Arrival {
  readonly group: Group;
  readonly p: number;
  readonly n: number;
  /** Of the event. */
  readonly publishedAt: number;
  readonly at: number;
}

/** `ordered`: each partition has one consumer, and keeps its order. `shared`: all consumers compete for all partitions. */
export const GROUPS = ['ordered', 'shared'] as const;
export type Group = (typeof GROUPS)[number];

export const PARTITIONS = 6;
/** Of each partition. */
const KEYS = 4;

export const keyOf = ({ p, n }: Pick<Tick, 'p' | 'n'>): string => `${p}/${n % KEYS}`;
export const idOf = ({ p, n }: Pick<Tick, 'p' | 'n'>): string => `${p}-${n}`;

/** Marks an event that nobody published: who gets it listened to a server that was master once. */
export const STALE = -1;
