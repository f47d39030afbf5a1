import { EventsError, type From } from '@logistically/events-kernel';
import type { Alarms } from './alarms.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Entry } from './entry.ts';
import { Group } from './group.ts';
import { Window } from './window.ts';

/** What the partitions of a transport have in common. */
export interface Shared {
  readonly dispatcher: Dispatcher;
  readonly alarms: Alarms;
  readonly redeliverMs: number;
  readonly maxRetained: number;
  readonly maxUnsettled: number;
}

/** The log of a partition of a topic, and the groups that read it. */
export class Partition {
  readonly topic: string;
  readonly number: number;
  readonly log = new Window<Entry>();
  readonly groups: Group[] = [];
  /** Accepted, and stored here later. */
  delayed = 0;
  readonly #shared: Shared;

  constructor(topic: string, number: number, shared: Shared) {
    this.topic = topic;
    this.number = number;
    this.#shared = shared;
  }

  /** What the slowest group has not settled, and what is on its way here. */
  get unsettled(): number {
    return this.log.end - this.#floor() + this.delayed;
  }

  /** Throws `EVENTS_MEMORY_FULL` when one more entry would be one too many. */
  check(): void {
    const { maxUnsettled } = this.#shared;
    // The log cannot hold more unsettled entries than entries: the groups need not be asked then.
    if (this.log.length + this.delayed >= maxUnsettled && this.unsettled >= maxUnsettled)
      throw new EventsError(
        'EVENTS_MEMORY_FULL',
        `${this.topic}/${this.number} holds ${maxUnsettled} unsettled events (maxUnsettled): nothing is stored until its groups catch up.`,
      );
  }

  append(entry: Entry): void {
    this.log.push(entry);
    for (const group of this.groups) this.#shared.dispatcher.add(group);
    this.trim();
  }

  /** Drops the oldest entries beyond `maxRetained` that every group has settled. */
  trim(): void {
    if (this.log.length <= this.#shared.maxRetained) return;
    const end = Math.min(this.#floor(), this.log.end - this.#shared.maxRetained);
    while (this.log.start < end) this.log.shift();
  }

  /** The group of a name, made at a position where it is new. */
  group(name: string, from: From): Group {
    let group = this.groups.find((known) => known.name === name);
    if (!group) this.groups.push((group = new Group(name, this, this.position(from), this.#shared)));
    return group;
  }

  /** The number of the first entry from a position on. Throws `EVENTS_MEMORY_CURSOR`. */
  position(from: From): number {
    if (from === 'latest') return this.log.end;
    if (from === 'earliest') return this.log.start;
    if (from instanceof Date) return this.#first((entry) => entry.time >= from.getTime());
    if (!/^\d{1,16}$/.test(from))
      throw new EventsError('EVENTS_MEMORY_CURSOR', '`from` is no cursor of this transport: use latest, earliest, a Date or a cursor.');
    return this.#first((entry) => entry.sequence > Number(from));
  }

  /** First of the entries for which `after` is true, which it is for all that follow too. */
  #first(after: (entry: Entry) => boolean): number {
    let { start, end } = this.log;
    while (start < end) {
      const middle = Math.floor((start + end) / 2);
      if (after(this.log.at(middle) as Entry)) end = middle;
      else start = middle + 1;
    }
    return start;
  }

  /** Number of the first entry that a group has not settled. */
  #floor(): number {
    let floor = this.log.end;
    for (const group of this.groups) if (group.floor < floor) floor = group.floor;
    return floor;
  }
}
