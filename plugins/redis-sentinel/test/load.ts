import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBus } from '@logistically/events-kernel';
import type { Trail } from './trail.ts';
import { until } from './until.ts';

/** The most events that it leaves unconfirmed. */
const MAX_OPEN = 500;

/** Publishes without end: some events at a time, whether the ones before are confirmed or not. */
export class Load {
  readonly #trail: Trail;
  readonly #settled = new Set<Promise<boolean>>();
  #running = true;
  #open = 0;
  #published = 0;
  readonly #ended: Promise<void>;

  constructor(trail: Trail, kernel: EventBus, type = 'order.placed') {
    this.#trail = trail;
    this.#ended = this.#run(kernel, type);
  }

  /** Waits until so many more events, published from now on, have been confirmed. */
  async whenConfirmed(count = 100): Promise<void> {
    const from = this.#published;
    const { confirmed } = this.#trail;
    const more = (): number => [...confirmed.keys()].filter((n) => n > from).length;
    await until(
      () => more() >= count,
      () => ['confirmed', more(), 'of', count, this.#trail.rejections.slice(0, 3).map(String)],
      25_000,
    );
  }

  /** Publishes no more. Resolves when all are confirmed or rejected. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#ended;
    await Promise.all(this.#settled);
  }

  async #run(kernel: EventBus, type: string): Promise<void> {
    while (this.#running) {
      for (let i = 0; i < 5 && this.#open < MAX_OPEN; i++) {
        this.#open++;
        const publishing = this.#trail.publish(kernel, type, ++this.#published).finally(() => {
          this.#open--;
          this.#settled.delete(publishing);
        });
        this.#settled.add(publishing);
      }
      await sleep(5);
    }
  }
}
