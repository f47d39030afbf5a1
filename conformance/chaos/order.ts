import type { Random } from './random.ts';

/** What can never be handled: it fails for good, or fails until all attempts are used up. */
type Poison = 'permanent' | 'hopeless';

/** The body of every event. */
export interface Order {
  /** Unique over all processes. */
  readonly n: string;
  /** How long its handler takes, in ms. */
  readonly workMs: number;
  /** How many attempts fail. */
  readonly failures: number;
  readonly poison?: Poison;
}

export interface OrderEvents {
  readonly [type: `order.${string}`]: Order;
}

export const SERVICE = 'chaos';
export const TOPIC = 'order-events';

const POISONED = 0.001;
const FAILING = 0.01;

/** Nine of ten take up to 20 ms, one of a hundred up to 5 s. */
const workOf = (random: Random): number => {
  const share = random.next();
  if (share < 0.9) return random.between(0, 20);
  return share < 0.99 ? random.between(20, 500) : random.between(500, 5000);
};

export const createOrder = (n: string, random: Random): Order => {
  const share = random.next();
  const workMs = Math.round(workOf(random));
  const poison = share > 1 - POISONED / 2 ? 'permanent' : 'hopeless';
  // What takes long and fails for ever would not be done with when everything else is.
  if (share > 1 - POISONED) return { n, workMs: workMs % 20, failures: 0, poison };
  return { n, workMs, failures: share < FAILING ? 1 + random.index(2) : 0 };
};
