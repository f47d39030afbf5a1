import { isConnectionError } from './error.ts';
import type { Retention } from './options.ts';
import { trimScript } from './script.ts';
import type { Topology } from './topology.ts';

/** Trim after so many entries, and not more often than this: one trim in a hundred publishes costs next to nothing. */
const EVERY = 100;
const EVERY_MS = 1000;

/** Keeps streams within bounds, as they are published to. */
export class Trimmer {
  readonly #topology: Topology;
  readonly #args: readonly [maxLength: number, maxAgeMs: number | undefined, lossy: '0' | '1'];
  readonly #onError: (reason: unknown) => void;
  readonly #since = new Map<string, { count: number; time: number }>();

  constructor(
    topology: Topology,
    { maxLength = -1, maxAgeMs, lossy = false }: Retention,
    onError: (reason: unknown) => void,
  ) {
    this.#topology = topology;
    this.#args = [maxLength, maxAgeMs, lossy ? '1' : '0'];
    this.#onError = onError;
  }

  stored(stream: string, count: number): void {
    const since = this.#since.get(stream) ?? { count: 0, time: 0 };
    this.#since.set(stream, since);
    since.count += count;
    const now = Date.now();
    if (since.count < EVERY && now - since.time < EVERY_MS) return;
    since.count = 0;
    since.time = now;
    const [maxLength, maxAgeMs, lossy] = this.#args;
    const oldest = maxAgeMs === undefined ? '-' : `${now - maxAgeMs}-0`;
    this.#topology
      .at(stream)
      .run((client) => trimScript.run(client, [stream], [maxLength, oldest, lossy]))
      .catch((error) => {
        if (!isConnectionError(error)) this.#onError(error);
      });
  }
}
