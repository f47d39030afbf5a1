import type { Bar } from './measure.ts';
import type { Variant } from './part.ts';

/** One comparison: the variants do the same work in turns, and the first subject is judged against the reference. */
export interface BenchCase {
  readonly id: string;
  readonly what: string;
  /** How many events each variant handles in a round. */
  readonly events: number;
  readonly reference: Variant;
  /** Ours. The first is judged by the bars, the others are only shown. */
  readonly subjects: readonly [Variant, ...Variant[]];
  readonly bars: readonly Bar[];
  /** Does without Redis. */
  readonly local?: true;
  /** Needs a master with two replicas. */
  readonly replicated?: true;
  /**
   * All variants in one process, taking turns so many times in a round: for work that waits for single round trips, whose
   * time depends on where the scheduler has put the processes.
   */
  readonly turns?: number;
}

export const variantsOf = ({ reference, subjects }: BenchCase): readonly Variant[] => [reference, ...subjects];
