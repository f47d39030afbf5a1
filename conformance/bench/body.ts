/** The body of every event: five fields. `seq` tells the events apart, so that what arrived can be summed up. */
export interface BenchBody {
  readonly seq: number;
  readonly userId: string;
  readonly email: string;
  /** When it was published (see clock.ts), where latency is measured. */
  readonly sentAt: number;
  readonly note: string;
}

export interface BenchEvents {
  readonly [type: string]: BenchBody;
}

export const TYPE = 'user.created';

const FIRST_SEQ = 1000;
const DISTINCT = 1000;

const body = (seq: number, bytes: number): BenchBody => {
  const bare = { seq, userId: `user-${seq}`, email: `user-${seq}@example.org`, sentAt: 1_000_000, note: '' };
  return { ...bare, note: 'n'.repeat(bytes - JSON.stringify(bare).length) };
};

/** A thousand different bodies of exactly so many bytes of JSON. */
export const createBodies = (bytes: number): readonly BenchBody[] =>
  Array.from({ length: DISTINCT }, (_, index) => body(FIRST_SEQ + index, bytes));

/** The body of the event number `index`. */
export const bodyOf = (bodies: readonly BenchBody[], index: number): BenchBody => bodies[index % DISTINCT] as BenchBody;

/** What the `seq` of the first `events` events add up to. */
export const seqTotal = (events: number): number => {
  const whole = Math.floor(events / DISTINCT);
  const rest = events % DISTINCT;
  const total = (count: number): number => count * FIRST_SEQ + (count * (count - 1)) / 2;
  return whole * total(DISTINCT) + total(rest);
};
