import type { Commands } from './commands.ts';
import { isConnectionError } from './error.ts';

/** How long a topic counts as registered, in ms: what a flush removed comes back with the next publish after that. */
const REGISTERED_MS = 1000;
/** Every so many looks the whole list is read, even if its length is the same. */
const FULL_LOOK = 20;

interface TopicsOptions {
  readonly commands: Commands;
  readonly key: string;
  /** How often to look for new topics while somebody wants to know, in ms. */
  readonly intervalMs: number;
  readonly onError: (reason: unknown) => void;
}

/** The topics that exist: a set in Redis that publishers add to and wildcard subscriptions watch. */
export class Topics {
  readonly #options: TopicsOptions;
  readonly #registered = new Map<string, number>();
  readonly #listeners = new Map<(topic: string) => Promise<void>, Set<string>>();
  #unregistered = new Set<string>();
  #again: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #count = -1;
  #looks = 0;

  constructor(options: TopicsOptions) {
    this.#options = options;
  }

  /** Notes that a topic is about to be written to: on the same connection, so that no entry is there before its topic is known. */
  touch(topic: string, now: number): void {
    if (now - (this.#registered.get(topic) ?? 0) < REGISTERED_MS) return;
    this.#registered.set(topic, now);
    this.#unregistered.add(topic);
    void this.register();
  }

  async list(): Promise<string[]> {
    return (await this.#options.commands.run((client) => client.smembers(this.#options.key))).sort();
  }

  /** Calls `listener` for each topic not in `known`, soon after it comes into being; returns what ends it. */
  watch(known: Iterable<string>, listener: (topic: string) => Promise<void>): () => void {
    this.#listeners.set(listener, new Set(known));
    this.#timer ??= setInterval(() => void this.#look(), this.#options.intervalMs);
    this.#timer.unref();
    this.#count = -1;
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Writes down what was touched. Called again when a connection is back. */
  async register(): Promise<void> {
    const { commands } = this.#options;
    const topics = [...this.#unregistered];
    if (topics.length === 0 || !commands.up) return;
    this.#unregistered = new Set();
    try {
      await commands.run((client) => client.sadd(this.#options.key, ...topics));
    } catch {
      for (const topic of topics) this.#unregistered.add(topic);
      this.#again ??= setTimeout(() => {
        this.#again = undefined;
        void this.register();
      }, REGISTERED_MS).unref();
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const count = await this.#options.commands.run((client) => client.scard(this.#options.key));
      if (count === this.#count && ++this.#looks % FULL_LOOK > 0) return;
      const topics = await this.list();
      this.#count = count;
      for (const [listener, known] of this.#listeners) {
        for (const topic of topics) {
          if (known.has(topic)) continue;
          known.add(topic);
          listener(topic).catch((error) => {
            known.delete(topic);
            this.#count = -1;
            this.#options.onError(error);
          });
        }
      }
    } catch (error) {
      if (!isConnectionError(error)) this.#options.onError(error);
    } finally {
      this.#looking = false;
    }
  }
}
