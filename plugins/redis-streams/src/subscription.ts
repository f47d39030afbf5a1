import type { Delivery, From, Path, TransportConsumer, TransportSubscription } from '@logistically/events-kernel';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { Member } from './member.ts';
import type { Opened } from './opened.ts';
import { startAfter } from './position.ts';
import { ensureScript } from './script.ts';
import { Seats } from './seats.ts';

interface SubscriptionOptions {
  readonly lanes: Lanes;
  readonly opened: Opened;
  readonly wanted: TransportSubscription;
  readonly partitions: readonly number[];
  readonly deliver: Path<Delivery>;
  readonly timeoutMs: number;
}

/** A derived topic, as a dead letter queue is, is not for those who want all: they know its events already. */
const isPlain = (topic: string): boolean => !topic.includes(':');

/** One subscription: a member in each of the lanes where its topic partitions are. */
export class Subscription implements TransportConsumer {
  readonly #options: SubscriptionOptions;
  readonly #seats: Seats;
  readonly #members = new Map<Lane, Member>();
  #stopped = false;
  #unwatch = (): void => {};

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#seats = new Seats(options.wanted.concurrency);
  }

  async open(from: From): Promise<void> {
    const { wanted, opened, timeoutMs } = this.#options;
    const after = startAfter(from);
    try {
      const known = wanted.topics === 'all' ? (await opened.topics.list()).filter(isPlain) : wanted.topics;
      await Promise.all(known.map((topic) => this.#add(topic, after)));
      if (wanted.topics === 'all')
        // A topic that comes later is new as a whole: all of it came after the subscription.
        this.#unwatch = opened.topics.watch(known, async (topic) => {
          if (isPlain(topic)) await this.#add(topic, '0-0');
        });
    } catch (error) {
      await this.close(Date.now() + timeoutMs);
      throw error;
    }
  }

  readonly stop = async (): Promise<void> => {
    this.#stopped = true;
    this.#unwatch();
    for (const [lane, member] of this.#members) lane.stop(member);
  };

  readonly close = async (deadline: number): Promise<void> => {
    this.#stopped = true;
    this.#unwatch();
    const { lanes } = this.#options;
    await Promise.all(Array.from(this.#members, ([lane, member]) => lanes.leave(lane, member, deadline)));
  };

  async #add(topic: string, position: string): Promise<void> {
    await Promise.all(this.#options.partitions.map((partition) => this.#addPartition(topic, partition, position)));
  }

  async #addPartition(topic: string, partition: number, position: string): Promise<void> {
    const { lanes, wanted, opened, timeoutMs } = this.#options;
    if (this.#stopped) return;
    const { group, concurrency } = wanted;
    const lane = lanes.of(group, concurrency, topic, partition);
    const member = this.#memberOf(lane);
    const feed = lanes.feed(lane, group, topic, partition);
    try {
      await lane.open(Date.now() + timeoutMs);
      const reply = await opened.topology
        .at(feed.stream)
        .persist((client) => ensureScript.run(client, [feed.stream], [group, position]), Date.now() + timeoutMs);
      const [, last, mark] = reply as [number, string, string];
      if (feed.members.size === 0) Object.assign(feed, { cursor: last, mark });
      feed.came(last);
    } catch (error) {
      lane.drop(feed);
      throw error;
    }
    if (member.stopped) lane.drop(feed);
    else lane.add(member, feed);
  }

  #memberOf(lane: Lane): Member {
    let member = this.#members.get(lane);
    if (!member) {
      member = new Member(this.#seats, this.#options.deliver);
      this.#members.set(lane, member);
      lane.join(member);
    }
    return member;
  }
}
