import { EventsError, type From, type Payload } from '@logistically/events-kernel';

export interface Entry {
  readonly topic: string;
  readonly partition: number;
  readonly cursor: string;
  readonly time: number;
  readonly payload: Payload;
  readonly notes?: Readonly<Record<string, string>>;
  removed?: true;
}

/** An entry that a group was given and has not settled. */
export interface Pending {
  readonly entry: Entry;
  attempt: number;
  /** The consumer that has it. */
  owner: object | undefined;
  dueAt: number;
  /** By the clock of leases. */
  leaseUntil: number;
}

/** Counts no stall of the process: nobody loses a lease because nobody could run. */
class LeaseClock {
  #seen = Date.now();
  #time = 0;

  get now(): number {
    const seen = Date.now();
    this.#time += Math.min(seen - this.#seen, LONGEST_STEP_MS);
    this.#seen = seen;
    return this.#time;
  }
}

class Group {
  next = 0;
  readonly pending = new Map<string, Pending>();
  /** New entries and retries take turns, so that neither starves the other. */
  retryNext = false;
}

class Partition {
  readonly entries: Entry[] = [];
  readonly groups = new Map<string, Group>();
}

/** Between two looks at the clock of leases; a transport looks every 5 ms. */
const LONGEST_STEP_MS = 20;

/** Throws unless it is a position, of whatever topic. */
export const checkPosition = (from: From): void => {
  const time = from instanceof Date && !Number.isNaN(from.getTime());
  const text = typeof from === 'string' && /^(earliest|latest|\d+)$/.test(from);
  if (!time && !text) throw new EventsError('EVENTS_BROKER_CURSOR', 'The cursor is none.');
};

const positionOf = ({ entries }: Partition, from: From): number => {
  if (from === 'earliest') return 0;
  if (from === 'latest') return entries.length;
  if (from instanceof Date) {
    const index = entries.findIndex(({ time }) => time >= from.getTime());
    return index < 0 ? entries.length : index;
  }
  return Number(from);
};

/** The state of a server, with everything that a broker can be asked for. Tests break it in many ways. */
export class Broker {
  readonly partitions: number;
  readonly values = new Map<string, { value: string; expires: number }>();
  readonly tokens = new Map<string, number>();
  readonly listeners = new Set<() => void>();
  readonly wipes = new Set<() => void>();
  topics = new Map<string, Partition[]>();
  frozen = false;
  readonly leaseClock = new LeaseClock();
  /** Settlements of consumers from before a restart are not heard. */
  epoch = 0;

  constructor(partitions = 2) {
    this.partitions = partitions;
  }

  /** What a subscription to all topics takes. */
  get underived(): string[] {
    return [...this.topics.keys()].filter((name) => !name.includes(':'));
  }

  topic(name: string): Partition[] {
    const known = this.topics.get(name) ?? Array.from({ length: this.partitions }, () => new Partition());
    this.topics.set(name, known);
    return known;
  }

  append(topic: string, partition: number, payload: Payload, notes?: Readonly<Record<string, string>>): void {
    const log = this.topic(topic)[partition];
    if (!log) throw new EventsError('EVENTS_BROKER_PARTITION', `${topic} has no partition ${partition}.`);
    const cursor = String(log.entries.length + 1);
    log.entries.push({ topic, partition, cursor, time: Date.now(), payload, ...(notes && { notes }) });
    this.changed();
  }

  /** Makes a group where it does not exist; false when it did. */
  join(topic: string, partition: number, name: string, from: From): boolean {
    const log = this.topic(topic)[partition] as Partition;
    if (log.groups.has(name)) return false;
    const group = new Group();
    group.next = positionOf(log, from);
    log.groups.set(name, group);
    return true;
  }

  /** The next entry for a consumer of a group, new or due. */
  take(topic: string, partition: number, name: string, owner: object, leaseMs: number): Pending | undefined {
    const log = this.topics.get(topic)?.[partition];
    const group = log?.groups.get(name);
    if (!log || !group || this.frozen) return undefined;
    group.retryNext = !group.retryNext;
    const taken = group.retryNext
      ? (this.due(group) ?? this.fresh(log, group))
      : (this.fresh(log, group) ?? this.due(group));
    if (!taken) return undefined;
    taken.attempt++;
    taken.owner = owner;
    taken.leaseUntil = this.leaseClock.now + leaseMs;
    return taken;
  }

  /** Settles what the consumer has; false when it has it no more. */
  settle(pending: Pending, name: string, owner: object, retryAfterMs: number | undefined): boolean {
    const group = this.topics.get(pending.entry.topic)?.[pending.entry.partition]?.groups.get(name);
    if (!group || pending.owner !== owner || group.pending.get(pending.entry.cursor) !== pending) return false;
    if (retryAfterMs === undefined) group.pending.delete(pending.entry.cursor);
    else {
      pending.owner = undefined;
      pending.dueAt = Date.now() + retryAfterMs;
    }
    this.changed();
    return true;
  }

  changed(): void {
    for (const listener of this.listeners) listener();
  }

  /** Takes an entry out; false when it is not there. */
  remove(topic: string, partition: number, cursor: string): boolean {
    const entry = this.topics.get(topic)?.[partition]?.entries.find((each) => each.cursor === cursor);
    if (!entry || entry.removed) return false;
    entry.removed = true;
    return true;
  }

  /** Everybody loses what they hold; what is stored stays. */
  restart(): void {
    this.epoch++;
    for (const pending of this.allPending()) pending.owner = undefined;
    this.changed();
  }

  wipe(): void {
    this.topics = new Map();
    for (const listener of this.wipes) listener();
  }

  *allPending(): Iterable<Pending> {
    for (const partitions of this.topics.values())
      for (const { groups } of partitions) for (const { pending } of groups.values()) yield* pending.values();
  }

  protected fresh({ entries }: Partition, group: Group): Pending | undefined {
    while (entries[group.next]?.removed) group.next++;
    const entry = entries[group.next];
    if (!entry) return undefined;
    group.next++;
    const pending = { entry, attempt: 0, owner: undefined, dueAt: 0, leaseUntil: 0 };
    group.pending.set(entry.cursor, pending);
    return pending;
  }

  protected due({ pending }: Group): Pending | undefined {
    const [now, leased] = [Date.now(), this.leaseClock.now];
    for (const each of pending.values())
      if (each.dueAt <= now && (!each.owner || each.leaseUntil < leased)) return each;
    return undefined;
  }
}
