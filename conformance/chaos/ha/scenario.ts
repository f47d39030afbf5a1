import type { Random } from '../random.ts';
import type { BusPlan } from './bus.ts';
import type { Ground } from './ground.ts';

/** Where a scenario plays, and what there is to it. */
export interface Scene {
  readonly ground: Ground;
  readonly random: Random;
  /** The stream of a partition. */
  readonly streamOf: (partition: number) => string;
  /** Writes down what is done now, for who wants to know. */
  readonly mark: (what: string) => void;
  /** Whether everything works again, for events published after a moment; waits for it, within a time. */
  readonly works: (since: number) => Promise<boolean>;
}

/** What was done. All times in ms on the clock of the machine. */
export interface Incident {
  readonly at: number;
  /** When the fault ended that left nothing that could work: from there on gaps count. */
  readonly backAt?: number;
  /** When a new master was there. */
  readonly upAt?: number;
  /** When the first sentinel named the new master. */
  readonly announcedAt?: number;
  /** What a server wrote after it was master, and believed that it still was. */
  readonly planted?: number;
  /** The partitions that it hit. */
  readonly affected: readonly number[];
}

/** What breaks the command when it is not kept: of times, the 95th percentile over the runs; of counts, every run. */
export interface Promises {
  /** Without a confirmation, in a partition that was hit, in ms. */
  readonly gapMs: number;
  /** The same in all others. */
  readonly unaffectedGapMs?: number;
  /** From the new master until an event came that was published after it, in ms. */
  readonly resumeMs?: number;
  /** `some`: what shows that a loss is seen, so there has to be one. */
  readonly lost: 'none' | 'reported' | 'some';
}

/** One kind of fault on one kind of set-up. */
export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly durability?: NonNullable<BusPlan['durability']>;
  readonly promises: Promises;
  /** Makes the fault, and heals what the incident is about; the rest is healed afterwards. */
  readonly fault: (scene: Scene) => Promise<Incident>;
}
