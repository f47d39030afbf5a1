import type { From, LogEntry } from '@logistically/events-kernel';
import type { Alarms } from './alarms.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Entry } from './entry.ts';
import { Group } from './group.ts';
import { Window } from './window.ts';

/** What all partitions of a transport have in common. */
export interface Shared {
  readonly dispatcher: Dispatcher;
  readonly alarms: Alarms;
  readonly redeliverMs: number;
  readonly maxRetained: number;
  readonly maxUnsettled: number;
}

/** Whether a topic belongs to another one, as `dlq:user-events` does. */
export const isDerived = (topic: string): boolean => topic.includes(':');

/** The topic that a topic derives from, or itself. */
export const homeOf = (topic: string): string => topic.split(':')[1] ?? topic;

/** A partition of a topic: its log by offset, and the groups that read it. */
export class Partition {
  readonly topic: string;
  readonly number: number;
  readonly log = new Window<Entry>();
  readonly groups: Group[] = [];
  /** How many entries of the log were removed. */
  #removed = 0;
  /** How many entries are accepted and to be stored later. */
  delayed = 0;
  readonly #shared: Shared;

  constructor(topic: string, number: number, shared: Shared) {
    this.topic = topic;
    this.number = number;
    this.#shared = shared;
  }

  /** Whether a group has left so much unsettled that nothing more is accepted. */
  get full(): boolean {
    const { maxUnsettled } = this.#shared;
    // The length first: it is at hand, and while it is small no group needs to be asked.
    return (
      this.log.length + this.delayed >= maxUnsettled && this.log.end - this.#floor() + this.delayed >= maxUnsettled
    );
  }

  /** How many entries it holds. */
  get length(): number {
    return this.log.length - this.#removed;
  }

  append(entry: Entry, sequence: number, time: number): void {
    entry.sequence = sequence;
    // Times never decrease, so that a position can be found by time.
    entry.time = Math.max(time, this.log.at(this.log.end - 1)?.time ?? 0);
    this.log.push(entry);
    this.trim();
    for (const group of this.groups) this.#shared.dispatcher.add(group);
  }

  /** Drops the oldest entries beyond `maxRetained`, but none that a group has not settled. */
  trim(): void {
    const excess = this.log.length - this.#shared.maxRetained;
    if (excess <= 0) return;
    const end = Math.min(this.log.start + excess, this.#floor());
    while (this.log.start < end) this.#drop();
  }

  /** Takes an entry out. Undefined where there is none with this cursor. */
  remove(cursor: string): Entry | undefined {
    const entry = this.log.at(this.#first(({ sequence }) => sequence >= Number(cursor)));
    if (!entry || entry.removed || entry.cursor !== cursor) return undefined;
    entry.removed = true;
    this.#removed++;
    for (const group of this.groups) this.#shared.dispatcher.add(group);
    while (this.log.at(this.log.start)?.removed && this.groups.every(({ floor }) => floor > this.log.start))
      this.#drop();
    return entry;
  }

  /** Entries from a position on, oldest first. */
  read(from: From, limit: number): LogEntry[] {
    const { topic, number: partition, log } = this;
    const entries: LogEntry[] = [];
    for (let offset = this.offset(from); offset < log.end && entries.length < limit; offset++) {
      const { cursor, time, payload, notes, removed } = log.at(offset) as Entry;
      if (!removed) entries.push({ topic, partition, cursor, time, payload, ...(notes && { notes }) });
    }
    return entries;
  }

  /** What keeps it from working, in words. */
  get problems(): string[] {
    const waiting = this.groups.flatMap((group) => group.problem ?? []);
    return this.full ? [...waiting, `${this.topic}/${this.number} is full: publishing to it is refused`] : waiting;
  }

  /** The group of this name. One that is new begins at a position. */
  group(name: string, from: From): Group {
    let group = this.groups.find((known) => known.name === name);
    if (!group) {
      group = new Group(name, this, this.offset(from), this.#shared);
      this.groups.push(group);
    }
    return group;
  }

  /** Offset of the first entry from a position on, which has passed `checkPosition`. */
  offset(from: From): number {
    if (from === 'latest') return this.log.end;
    if (from === 'earliest') return this.log.start;
    if (from instanceof Date) return this.#first((entry) => entry.time >= from.getTime());
    return this.#first((entry) => entry.sequence > Number(from));
  }

  #drop(): void {
    if (this.log.shift()?.removed) this.#removed--;
  }

  /** Offset of the first entry that passes; those after it all do. */
  #first(passes: (entry: Entry) => boolean): number {
    let { start, end } = this.log;
    while (start < end) {
      const middle = Math.floor((start + end) / 2);
      if (passes(this.log.at(middle) as Entry)) end = middle;
      else start = middle + 1;
    }
    return start;
  }

  /** Offset of the first entry that is not settled by all. What waits in a derived topic waits for somebody to come. */
  #floor(): number {
    let floor = this.groups.length === 0 && isDerived(this.topic) ? this.log.start : this.log.end;
    for (const group of this.groups) if (group.floor < floor) floor = group.floor;
    return floor;
  }
}
