import { type Awaitable, EventsError, type Transport } from '@logistically/events-kernel';
import type { Plugin } from './plugin.ts';

/** How a certification runs. What the transport can do is not told here: it stands on the transport. */
export interface CertifyOptions {
  /** Restarts the broker and resolves when it answers again: opens the cases of a restart. */
  readonly restart?: () => Promise<void>;
  /** Makes a handle die as its process would, without a goodbye: opens the cases of a crash. */
  readonly crash?: (transport: Transport) => Awaitable<void>;
  /** Freezes the broker, its connections open; resolves with what thaws it: opens the cases of deadlines. */
  readonly freeze?: () => Promise<() => Awaitable<void>>;
  /** Deletes everything that the broker holds: opens the cases of recovery. */
  readonly wipe?: () => Promise<void>;
  /** Cases that are known to fail, each with the reason. A waived case that passes is a failure. */
  readonly waive?: Readonly<Record<string, string>>;
  /** Bound of every wait, in ms; of a waived case 5000 at most. Default 5000. */
  readonly timeoutMs?: number;
  /** The lease that the factory configured, in ms: how long a delivery stays with a consumer that gives no sign. Default 1000. */
  readonly leaseMs?: number;
  /** How long a transport is watched for what it must not do, in ms. Default 100. */
  readonly quietMs?: number;
  /** Seed of the random cases. Default: `EVENTS_SEED` of the environment, else a new one. */
  readonly seed?: number;
  /** How many random histories are tried. Default 15. */
  readonly runs?: number;
  /** Runs every case through these plugins, on every kernel. */
  readonly through?: readonly Plugin[] | (() => readonly Plugin[]);
  /** Versions for the report, such as those of broker and client. */
  readonly versions?: Readonly<Record<string, string>> | (() => Awaitable<Readonly<Record<string, string>>>);
}

export interface Settings extends CertifyOptions {
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly quietMs: number;
  readonly seed: number;
  readonly runs: number;
  /** Begins every name of this run, so that runs on one broker do not meet. */
  readonly run: string;
}

const randomSeed = (): number => Math.floor(Math.random() * 2 ** 31);

export const settingsOf = (options: CertifyOptions): Settings => {
  const { EVENTS_SEED } = process.env;
  const { timeoutMs = 5000, leaseMs = 1000, quietMs = 100, runs = 15 } = options;
  const seed = options.seed ?? (EVENTS_SEED ? Number(EVENTS_SEED) : randomSeed());
  if (!Number.isSafeInteger(seed))
    throw new EventsError('EVENTS_CONFIG', 'The seed (EVENTS_SEED) must be a whole number.');
  const run = `c${Date.now().toString(36)}${Math.floor(Math.random() * 36 ** 4).toString(36)}`;
  return { ...options, timeoutMs, leaseMs, quietMs, runs, seed, run };
};
