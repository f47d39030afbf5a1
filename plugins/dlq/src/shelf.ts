import type { Capabilities, Codec, Handoff, Log, LogEntry, Transport } from '@logistically/events-kernel';
import { type DeadLetter, idOf, letterOf, type Position, positionOf } from './letter.ts';
import { homeOf } from './notes.ts';

/** What `kernel.dlq` takes of a transport. */
export interface DlqNeeds extends Capabilities {
  readonly handoff: Handoff;
  readonly log: Log;
}

/** Which dead letters are meant. What is not named is not looked at. */
export interface LetterFilter {
  /** The topic that they come from: `user-events`. */
  readonly topic?: string;
  readonly class?: string;
  readonly type?: string;
  readonly code?: string;
  readonly fingerprint?: string;
  readonly group?: string;
  /** Failed at this time or later. */
  readonly from?: Date;
  /** Failed before this time. */
  readonly to?: Date;
}

const PAGE = 1000;
/** Where a transport cannot tell how many partitions a topic has. */
const PARTITIONS_UNTOLD = 64;

const isSame = <T>(wanted: T | undefined, actual: T): boolean => wanted === undefined || wanted === actual;

export const passes = (filter: LetterFilter, letter: DeadLetter): boolean =>
  isSame(filter.topic, letter.topic) &&
  isSame(filter.class, letter.class) &&
  isSame(filter.type, letter.type) &&
  isSame(filter.code, letter.error.code) &&
  isSame(filter.fingerprint, letter.fingerprint) &&
  isSame(filter.group, letter.group) &&
  (!filter.from || letter.failedAt >= filter.from.toISOString()) &&
  (!filter.to || letter.failedAt < filter.to.toISOString());

/** The dead letters of a transport, in the order of topic, partition and cursor. */
export class Shelf {
  readonly prefix: string;
  readonly #transport: () => Transport<DlqNeeds>;
  readonly #codec: Codec;

  constructor(prefix: string, codec: Codec, transport: () => Transport<DlqNeeds>) {
    this.prefix = prefix;
    this.#codec = codec;
    this.#transport = transport;
  }

  get handoff(): Handoff {
    return this.#transport().capabilities.handoff;
  }

  get transport(): string {
    return this.#transport().name;
  }

  letter(entry: LogEntry): DeadLetter {
    return letterOf(entry, this.#codec);
  }

  /** The entries of these ids, in their order; undefined where there is none. One pass for each partition. Throws `EVENTS_DLQ_ID`. */
  async entries(ids: readonly string[]): Promise<readonly (LogEntry | undefined)[]> {
    const wanted = new Set(ids);
    const found = new Map<string, LogEntry>();
    const places = new Map(
      ids.map((id) => positionOf(id, this.prefix)).map((at) => [`${at.topic}/${at.partition}`, at]),
    );
    for (const { topic, partition } of places.values())
      for await (const entry of this.partition(topic, partition)) {
        const id = idOf(entry);
        if (wanted.has(id)) found.set(id, entry);
        if (found.size === wanted.size) break;
      }
    return ids.map((id) => found.get(id));
  }

  /** Names of the dead letter topics: all, or those of one topic. */
  async topics(home?: string): Promise<readonly string[]> {
    const topics = await this.#transport().capabilities.log.topics();
    return topics
      .filter((topic) => topic.startsWith(this.prefix) && (home === undefined || homeOf(topic) === homeOf(home)))
      .sort();
  }

  async partitions(topic: string): Promise<readonly number[]> {
    const { inspect } = this.#transport().capabilities as Capabilities;
    if (!inspect) return Array.from({ length: PARTITIONS_UNTOLD }, (_, number) => number);
    return (await inspect.topic(topic)).partitions.map(({ partition }) => partition).sort((a, b) => a - b);
  }

  /** Every entry from behind a position on. Reads pages, and may be left at any time. */
  async *walk({ topic: home, after }: { readonly topic?: string | undefined; readonly after?: Position | undefined }) {
    for (const topic of await this.topics(home)) {
      if (after && topic < after.topic) continue;
      for (const partition of await this.partitions(topic)) {
        const isFirst = after?.topic === topic;
        if (isFirst && partition < after.partition) continue;
        yield* this.partition(topic, partition, isFirst && partition === after.partition ? after.cursor : undefined);
      }
    }
  }

  /** Entries of one partition behind a cursor, oldest first. */
  async *partition(topic: string, partition: number, after?: string): AsyncGenerator<LogEntry, void> {
    let from = after ?? 'earliest';
    for (;;) {
      const page = await this.#transport().capabilities.log.read(topic, { partition, from, limit: PAGE });
      yield* page;
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      from = last.cursor;
    }
  }
}
