import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Feed } from './feed.ts';
import type { Keys } from './keys.ts';
import { Lane } from './lane.ts';
import type { Member } from './member.ts';
import type { Opened } from './opened.ts';
import type { Settings } from './options.ts';

/** The lanes of a transport: one for each group, concurrency and place. Their subscriptions can share a blocking read. */
export class Lanes {
  readonly #opened: () => Opened;
  readonly #settings: Settings;
  readonly #keys: Keys;
  readonly #lanes = new Map<string, Lane>();

  constructor(opened: () => Opened, settings: Settings, keys: Keys) {
    this.#opened = opened;
    this.#settings = settings;
    this.#keys = keys;
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#lanes.values();
  }

  /** The lane to which a topic partition belongs for a group. */
  of(group: string, concurrency: number, topic: string, partition: number): Lane {
    const { host, topology } = this.#opened();
    const { name, leaseMs, claimIntervalMs, blockMs, timeoutMs, redeliverMs } = this.#settings;
    const stream = this.#keys.stream(topic, partition);
    const place = topology.placeOf(stream);
    const key = `${group}/${concurrency}/${place}`;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Lane({
        transport: name,
        group,
        consumer: `${host.service}-${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
        connect: (listener) => topology.reader(place, listener),
        commands: topology.at(stream),
        leaseMs,
        claimIntervalMs,
        blockMs,
        timeoutMs,
        redeliverMs,
        emit: host.emit,
      });
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** The feed of a topic partition in its lane, for one more member. */
  feed(lane: Lane, group: string, topic: string, partition: number): Feed {
    const { host, topology } = this.#opened();
    const { name } = this.#settings;
    return lane.feed(
      topic,
      partition,
      () =>
        new Feed({
          keys: this.#keys,
          topic,
          partition,
          group,
          consumer: lane.consumer,
          commands: topology.at(this.#keys.stream(topic, partition)),
          onError: (reason) => host.emit('error', { source: name, reason }),
          onDue: lane.due,
          onRegrouped: () => host.emit('recovered', { transport: name, group, topic, what: 'a lost consumer group' }),
        }),
    );
  }

  /** Closes a member, and its lane with the last one. */
  async leave(lane: Lane, member: Member, deadline: number): Promise<void> {
    lane.stop(member);
    if (lane.members.size <= 1 && lane.members.has(member))
      for (const [key, other] of this.#lanes) if (other === lane) this.#lanes.delete(key);
    await lane.close(member, deadline);
  }

  async close(deadline: number): Promise<void> {
    const members = [...this].flatMap((lane) => Array.from(lane.members, (member) => lane.close(member, deadline)));
    await Promise.all(members);
    this.#lanes.clear();
  }
}
