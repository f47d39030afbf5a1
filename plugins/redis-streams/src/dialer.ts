import type { Redis } from 'ioredis';

/** Where a server is, and as whom to log in. What is left out stays as the client has it. */
export interface Endpoint {
  readonly host?: string;
  readonly port?: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** ms before the n-th attempt to connect again: soon while the server may only be restarting, and not for ever so often. */
export const backOff = (times: number): number =>
  Math.min(20 * 2 ** times, times < 50 ? 200 : 1000) + Math.floor(Math.random() * 50);

/** How long a connection must have lasted, in ms, for the next one to be made at once. */
const SETTLED_MS = 50;

/** Connects a client to what may be another place, or as somebody else, each time: until it is connected, and again when that ended. */
export class Dialer {
  readonly #client: Redis;
  readonly #dial: () => Promise<Endpoint>;
  readonly #onError: (error: unknown) => void;
  #dialing = false;
  #ended = false;
  #hurried = false;
  #connectedAt = 0;
  #resume: (() => void) | undefined;

  constructor(client: Redis, dial: () => Promise<Endpoint>, onError: (error: unknown) => void) {
    this.#client = client;
    this.#dial = dial;
    this.#onError = onError;
  }

  begin(): void {
    if (this.#dialing || this.#ended) return;
    this.#dialing = true;
    void this.#connect().finally(() => {
      this.#dialing = false;
    });
  }

  /** Does not pause before the next attempt. */
  hurry(): void {
    this.#hurried = true;
    this.#resume?.();
  }

  end(): void {
    this.#ended = true;
    this.#resume?.();
  }

  async #connect(): Promise<void> {
    // One that is given up right after it was made led to the wrong server: not the same again at once.
    if (Date.now() - this.#connectedAt < SETTLED_MS && !this.#hurried) await this.#pause(SETTLED_MS);
    for (let times = 0; !this.#ended; times++) {
      this.#hurried = false;
      try {
        const endpoint = await this.#dial();
        if (this.#ended) return;
        Object.assign(this.#client.options, endpoint);
        await this.#client.connect();
        this.#connectedAt = Date.now();
        return;
      } catch (error) {
        // Why it was closed was told before; that it is closed tells nobody anything.
        if (!(error instanceof Error && error.message === 'Connection is closed.')) this.#onError(error);
      }
      if (!this.#hurried && !this.#ended) await this.#pause(backOff(times));
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#resume = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#resume = undefined;
  }
}
