import type { Capabilities, Codec, From, Handoff, Log, LogEntry, Transport } from '@logistically/events-kernel';
import { type DeadLetter, letterOf, type Position } from './letter.ts';
import { homeOf } from './notes.ts';
import { isRead } from './presence.ts';

/** What `kernel.dlq` takes of a transport. */
export interface DlqNeeds extends Capabilities {
  readonly handoff: Handoff;
  readonly log: Log;
}

const PAGE = 1000;
/** Where a transport cannot tell how many partitions a topic has. */
const PARTITIONS_UNTOLD = 64;
/** A consumer that did nothing for longer may be what a killed process has left behind. */
const MAX_IDLE_MS = 600_000;

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

  letter(entry: LogEntry): DeadLetter {
    return letterOf(entry, this.#codec);
  }

  /** Names of the dead letter topics: all, or those of one topic. */
  async topics(home?: string): Promise<readonly string[]> {
    const topics = await this.#transport().capabilities.log.topics();
    return topics
      .filter((topic) => topic.startsWith(this.prefix) && (home === undefined || homeOf(topic) === homeOf(home)))
      .sort();
  }

  /** The partitions of a topic; `length` where the transport can tell it. */
  async partitions(topic: string): Promise<readonly { readonly partition: number; readonly length?: number }[]> {
    const { inspect } = this.#transport().capabilities as Capabilities;
    if (!inspect) return Array.from({ length: PARTITIONS_UNTOLD }, (_, partition) => ({ partition }));
    return [...(await inspect.topic(topic)).partitions].sort((a, b) => a.partition - b.partition);
  }

  /** The groups that read each partition of a topic; undefined where the transport cannot tell. */
  async groups(topic: string): Promise<ReadonlyMap<number, readonly string[]> | undefined> {
    const { inspect } = this.#transport().capabilities as Capabilities;
    if (!inspect) return undefined;
    const { partitions } = await inspect.topic(topic);
    return new Map(partitions.map(({ partition, groups }) => [partition, groups.map(({ group }) => group)]));
  }

  /**
   * Whether somebody reads a topic for a group right now: a group outlives those who read it. Any partition will do, since others
   * of the group take over those that are left. True where the transport cannot tell.
   */
  async isRead(topic: string, group: string): Promise<boolean> {
    const { inspect, store, durable } = this.#transport().capabilities as Capabilities;
    if (!inspect) return true;
    const { partitions } = await inspect.topic(topic);
    // Where nothing outlives the process, a consumer that is there is alive.
    const isAlive = ({ idleMs }: { readonly idleMs?: number }): boolean => !durable || !(Number(idleMs) > MAX_IDLE_MS);
    const states = partitions.flatMap(({ groups }) => groups).filter((state) => state.group === group);
    if (states.some(({ consumers }) => consumers.some(isAlive))) return true;
    return store !== undefined && isRead(store, group, topic);
  }

  /** Every entry from behind a position on. Reads pages, and may be left at any time. */
  async *walk({ topic: home, after }: { readonly topic?: string | undefined; readonly after?: Position | undefined }) {
    for (const topic of await this.topics(home)) {
      if (after && topic < after.topic) continue;
      for (const { partition } of await this.partitions(topic)) {
        const isFirst = after?.topic === topic;
        if (isFirst && partition < after.partition) continue;
        const from = isFirst && partition === after.partition ? after.cursor : 'earliest';
        for await (const page of this.pages(topic, partition, from)) yield* page;
      }
    }
  }

  /** Entries of one partition, oldest first: behind a cursor, or from a time on. The first page has `size` at most; they grow. */
  async *pages(
    topic: string,
    partition: number,
    from: From = 'earliest',
    size = PAGE,
  ): AsyncGenerator<readonly LogEntry[], void> {
    let position = from;
    for (let limit = Math.min(size, PAGE); ; limit = Math.min(limit * 4, PAGE)) {
      const page = await this.read(topic, partition, position, limit);
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (!last || page.length < limit) return;
      position = last.cursor;
    }
  }

  async read(topic: string, partition: number, from: From, limit: number): Promise<readonly LogEntry[]> {
    return this.#transport().capabilities.log.read(topic, { partition, from, limit });
  }
}
