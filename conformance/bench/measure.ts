/** What can be judged: how it is headed in the table, and which way is better. */
export const MEASURES = {
  rate: { title: 'events/s', better: 'higher' },
  p50: { title: 'p50 µs', better: 'lower' },
  p99: { title: 'p99 µs', better: 'lower' },
  worst: { title: 'worst µs', better: 'lower' },
} as const;

export type Measure = keyof typeof MEASURES;

/** A ratio to the reference that is promised (`floor`) or aimed at (`goal`). */
export interface Bar {
  readonly id: string;
  readonly measure: Measure;
  readonly floor?: number;
  readonly goal?: number;
}

/** Whether a ratio reaches a bar. */
export const reaches = (measure: Measure, ratio: number, bar: number): boolean =>
  MEASURES[measure].better === 'higher' ? ratio >= bar : ratio <= bar;
