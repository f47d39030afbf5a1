import type { Host } from '@logistically/events-kernel';
import type { Retention } from './options.ts';
import type { Shelf } from './shelf.ts';

const INTERVAL_MS = 60_000;

/** Removes what the retention does not keep, once a minute, beside all other work. */
export class Sweeper {
  readonly #shelf: Shelf;
  readonly #retention: Retention;
  readonly #emit: Host['emit'];
  #timer: NodeJS.Timeout | undefined;
  #isSweeping = false;

  constructor(shelf: Shelf, retention: Retention, emit: Host['emit']) {
    this.#shelf = shelf;
    this.#retention = retention;
    this.#emit = emit;
  }

  start(): void {
    this.#timer = setInterval(() => this.sweep(), INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Never rejects. */
  async sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      for (const topic of await this.#shelf.topics())
        for (const { partition, length } of await this.#shelf.partitions(topic))
          if (length !== 0) await this.#trim(topic, partition, length);
    } catch (reason) {
      this.#emit('error', { source: 'dlq', reason });
    } finally {
      this.#isSweeping = false;
    }
  }

  /** `told`: how long it is, where the transport can tell. */
  async #trim(topic: string, partition: number, told: number | undefined): Promise<void> {
    const { maxLength = Infinity, maxAgeMs = Infinity } = this.#retention;
    let excess = 0;
    if (told === undefined && maxLength !== Infinity) excess = (await this.#count(topic, partition)) - maxLength;
    for await (const page of this.#shelf.pages(topic, partition)) {
      // Asked after each page was read: what others have removed meanwhile is not counted as still there.
      if (told !== undefined && told > maxLength) excess = (await this.#length(topic, partition)) - maxLength;
      for (const entry of page) {
        if (this.#timer === undefined) return;
        if (excess <= 0 && Date.now() - entry.time <= maxAgeMs) return;
        await this.#shelf.handoff.remove(entry);
        excess--;
      }
    }
  }

  async #length(topic: string, partition: number): Promise<number> {
    return (await this.#shelf.partitions(topic)).find((each) => each.partition === partition)?.length ?? 0;
  }

  async #count(topic: string, partition: number): Promise<number> {
    let length = 0;
    for await (const page of this.#shelf.pages(topic, partition)) length += page.length;
    return length;
  }
}
