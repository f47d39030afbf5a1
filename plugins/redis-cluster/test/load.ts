import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBus } from '@logistically/events-kernel';
import type { Trail } from './trail.ts';
import { until } from './until.ts';

/** The most events of a partition that are on their way. */
export const MOST_OPEN = 40;

/** Publishes event after event to each partition, without waiting for one before the next, until it is stopped. */
export class Load {
  readonly partitions: readonly number[];
  /** Confirmed events of each partition. */
  readonly confirmed: number[];
  readonly #trail: Trail;
  readonly #type: string;
  #number: number;
  #stopped = false;
  readonly #work: Promise<unknown>;

  /** `from`: the number of the first event. */
  constructor(kernel: EventBus, trail: Trail, type: string, partitions: readonly number[], from = 1) {
    this.partitions = partitions;
    this.confirmed = [];
    for (const partition of partitions) this.confirmed[partition] = 0;
    this.#trail = trail;
    this.#type = type;
    this.#number = from;
    this.#work = Promise.all(partitions.map((partition) => this.#run(kernel, partition)));
  }

  /** Waits until so many more events of each of the partitions (default: all) are confirmed. */
  async more(count = 5, partitions = this.partitions, deadlineMs?: number): Promise<void> {
    const before = [...this.confirmed];
    const missing = (): number[] =>
      partitions.filter((each) => (this.confirmed[each] as number) < (before[each] as number) + count);
    await until(
      () => missing().length === 0,
      () => ({ waits: missing(), rejections: this.#trail.rejections.slice(0, 3).map(String) }),
      deadlineMs,
    );
  }

  /** Stops and waits for what is on the way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  async #run(kernel: EventBus, partition: number): Promise<void> {
    const open = new Set<Promise<void>>();
    while (!this.#stopped) {
      for (let i = 0; i < 2 && open.size < MOST_OPEN; i++) {
        const sent = this.#publish(kernel, partition).finally(() => open.delete(sent));
        open.add(sent);
      }
      await sleep(5);
    }
    await Promise.all(open);
  }

  async #publish(kernel: EventBus, partition: number): Promise<void> {
    if (!(await this.#trail.publish(kernel, this.#type, this.#number++, { partition }))) return;
    this.confirmed[partition] = (this.confirmed[partition] as number) + 1;
  }
}
