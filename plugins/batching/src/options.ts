import { EventsError } from '@logistically/events-kernel';

export interface BatchingOptions {
  /** The most events of a batch. Default 1000. */
  readonly maxSize?: number;
  /** The most bytes of a batch, counted on payloads; a larger event goes alone. Default 1 MiB. */
  readonly maxBytes?: number;
  /** How long an event waits for company, in ms. Default 100. */
  readonly maxWaitMs?: number;
  /**
   * `size`: a batch goes when it is full or `maxWaitMs` is over; `time`: only when `maxWaitMs` is over; `partition`: as `size`, with
   * batches of one partition of one topic each. Default `size`.
   */
  readonly strategy?: 'size' | 'time' | 'partition';
  /** Batches of one exact type, or of types that are alike in one segment (0 is the first), each. Default: of any type. */
  readonly groupBy?: 'exact' | number | `${number}`;
  /** Another name for `groupBy`. */
  readonly batchingTypeStrategy?: 'exact' | number | `${number}`;
  /** The most batches that are handed on and not settled; later ones wait. Default 5. */
  readonly maxConcurrentBatches?: number;
  /** The most events that are gathered and not handed on. Default 100 000. */
  readonly maxQueued?: number;
  /** Above `maxQueued`: `wait` in turn, as many again at the most, or `reject` with `EVENTS_BATCHING_FULL`. Default `wait`. */
  readonly onFull?: 'wait' | 'reject';
  /** The longest that an event waits in turn for room, in ms; then it is rejected as full. Default 5000. */
  readonly maxWaitForRoomMs?: number;
  /** The most events that `failed()` keeps; the oldest are dropped and counted. Default 1000. */
  readonly maxFailedKept?: number;
  /** False: every event passes as if the plugin were not there. Default true. */
  readonly enabled?: boolean;
}

/** The options with their defaults, checked. */
export interface Settings {
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly strategy: 'size' | 'time' | 'partition';
  readonly groupBy: 'exact' | number | undefined;
  readonly maxConcurrentBatches: number;
  readonly maxQueued: number;
  readonly onFull: 'wait' | 'reject';
  readonly maxWaitForRoomMs: number;
  readonly maxFailedKept: number;
  readonly enabled: boolean;
}

/** A timer takes no more than 31 bits. */
const MAX_MS = 2 ** 31 - 1;

const check = (right: boolean, option: string, expected: string): void => {
  if (!right) throw new EventsError('EVENTS_CONFIG', `batching(): \`${option}\` must be ${expected}.`);
};

const checkWhole = (numbers: Readonly<Record<string, number>>, least: number, most: number): void => {
  for (const [option, value] of Object.entries(numbers))
    check(
      Number.isInteger(value) && value >= least && value <= most,
      option,
      `a whole number from ${least} to ${most}`,
    );
};

type Grouping = BatchingOptions['groupBy'];

const segmentOf = (grouping: Grouping): Grouping =>
  typeof grouping === 'string' && /^\d+$/.test(grouping) ? Number(grouping) : grouping;

/** What both names of the option come to. */
const groupingOf = ({ groupBy, batchingTypeStrategy = groupBy }: BatchingOptions): Settings['groupBy'] => {
  const name = groupBy === undefined ? 'batchingTypeStrategy' : 'groupBy';
  const [one, other] = [segmentOf(groupBy ?? batchingTypeStrategy), segmentOf(batchingTypeStrategy)];
  check(one === other, name, 'the same as `batchingTypeStrategy`, another name for it: give one of the two');
  if (one !== undefined && one !== 'exact')
    check(Number.isInteger(one) && Number(one) >= 0, name, "'exact' or the place of a segment, from 0 on");
  return one as Settings['groupBy'];
};

/** Throws `EVENTS_CONFIG` for what cannot be meant. */
export const settingsOf = (options: BatchingOptions): Settings => {
  if (typeof options !== 'object' || options === null)
    throw new EventsError('EVENTS_CONFIG', 'batching(): give an object of options, or nothing.');
  const { maxSize = 1000, maxBytes = 1024 * 1024, maxWaitMs = 100, strategy = 'size', enabled = true } = options;
  const { maxConcurrentBatches = 5, maxQueued = 100_000, onFull = 'wait' } = options;
  const { maxWaitForRoomMs = 5000, maxFailedKept = 1000 } = options;
  const groupBy = groupingOf(options);
  checkWhole({ maxSize, maxBytes, maxConcurrentBatches, maxQueued }, 1, Number.MAX_SAFE_INTEGER);
  checkWhole({ maxWaitMs, maxWaitForRoomMs }, 0, MAX_MS);
  checkWhole({ maxFailedKept }, 0, Number.MAX_SAFE_INTEGER);
  check(['size', 'time', 'partition'].includes(strategy), 'strategy', "'size', 'time' or 'partition'");
  check(['wait', 'reject'].includes(onFull), 'onFull', "'wait' or 'reject'");
  check(typeof enabled === 'boolean', 'enabled', 'true or false');
  return {
    ...{ maxSize, maxBytes, maxWaitMs, strategy, maxConcurrentBatches, maxQueued, onFull, maxWaitForRoomMs },
    ...{ maxFailedKept, enabled, groupBy },
  };
};
