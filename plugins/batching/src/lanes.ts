import type { OutgoingEvent } from '@logistically/events-kernel';
import { Batch, type Entry, type Lane } from './entry.ts';
import type { Settings } from './options.ts';
import type { Queue } from './queue.ts';

/** Where events wait for company: a lane for each transport and, where they are asked for, each partition and group. */
export class Lanes {
  readonly #settings: Settings;
  readonly #ready: Queue<Batch>;
  /** The one that waits longest comes first. */
  readonly #lanes = new Map<string, Lane>();
  /** The lane in which the last event of a key waits: while it does, no other lane may take one of that key. */
  readonly #ofKey = new Map<string, string>();

  constructor(settings: Settings, ready: Queue<Batch>) {
    this.#settings = settings;
    this.#ready = ready;
  }

  /** Since when the first waits, in ms of `performance.now()`; infinite when nobody does. */
  get since(): number {
    for (const { since } of this.#lanes.values()) return since;
    return Number.POSITIVE_INFINITY;
  }

  add(entry: Entry): void {
    const { maxSize, maxBytes, strategy } = this.#settings;
    const { event, bytes } = entry;
    const name = this.#laneOf(event);
    const key = this.#keyOf(event);
    const holder = key === undefined ? name : (this.#ofKey.get(key) ?? name);
    if (holder !== name) this.#cut(holder);
    const last = this.#lanes.get(name)?.batches.at(-1);
    if (last && (last.open.size >= maxSize || last.bytes + bytes > maxBytes || last.open.has(event))) {
      if (strategy === 'time') this.#lanes.get(name)?.batches.push(new Batch());
      else this.#cut(name);
    }
    const lane = this.#lanes.get(name) ?? this.#begin(name);
    const batch = lane.batches.at(-1) as Batch;
    batch.open.set(event, entry);
    batch.bytes += bytes;
    if (key !== undefined) {
      lane.keys.add(key);
      this.#ofKey.set(key, name);
    }
    if (strategy !== 'time' && (batch.open.size >= maxSize || batch.bytes >= maxBytes)) this.#cut(name);
  }

  /** Ends the wait of the lanes that began at `time` or before. */
  cutBefore(time: number): void {
    for (const [name, { since }] of this.#lanes) {
      if (since > time) break;
      this.#cut(name);
    }
  }

  cutAll(): void {
    this.cutBefore(Number.POSITIVE_INFINITY);
  }

  #begin(name: string): Lane {
    const lane: Lane = { since: performance.now(), batches: [new Batch()], keys: new Set() };
    this.#lanes.set(name, lane);
    return lane;
  }

  #cut(name: string): void {
    const lane = this.#lanes.get(name);
    if (!lane) return;
    this.#lanes.delete(name);
    for (const key of lane.keys) this.#ofKey.delete(key);
    for (const batch of lane.batches) this.#ready.push(batch);
  }

  #laneOf({ transport, topic, partition, type }: OutgoingEvent): string {
    const { strategy, groupBy } = this.#settings;
    const place = strategy === 'partition' ? `${transport}/${topic}/${partition ?? ''}` : transport;
    if (groupBy === undefined) return place;
    const group = groupBy === 'exact' ? type : type.split('.', groupBy + 1)[groupBy];
    return `${place}/${group ?? type}`;
  }

  #keyOf({ transport, topic, key }: OutgoingEvent): string | undefined {
    const { strategy, groupBy } = this.#settings;
    if (key === undefined || (strategy !== 'partition' && groupBy === undefined)) return undefined;
    return `${transport}/${topic}/${key}`;
  }
}
