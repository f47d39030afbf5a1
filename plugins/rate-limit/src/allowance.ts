/** What may pass now under one limit. */
export interface Allowance {
  /** Takes up to `wanted`; returns how many it took. */
  take(wanted: number): number;
  /** ms until `take` may give again; 0 when it may now, or when `refill` may tell more. */
  waitMs(): number;
  /** True when a new one would be the same. */
  readonly idle: boolean;
  /** Asks for more where `take` alone cannot know. Rejects when it got no answer. */
  refill?(wanted: number): Promise<void>;
}
