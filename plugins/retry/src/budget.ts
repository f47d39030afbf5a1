import { checkNumber } from './check.ts';
import { Tally } from './tally.ts';

/** How many retries there may be beside the deliveries, over ten seconds: Finagle's `RetryBudget`. */
export interface BudgetOptions {
  /** Retries for each delivery, 0 to 1. Default 0.2. */
  readonly ratio?: number;
  /** Retries per second that are free. Default 10. */
  readonly minPerSecond?: number;
}

const SECONDS = 10;

export interface Budget {
  readonly delivered: (count: number) => void;
  /** Counts a retry; false when it is more than the budget allows. */
  readonly spend: () => boolean;
}

/** The options with their defaults; throws `EVENTS_CONFIG`. */
export const checkBudget = ({ ratio = 0.2, minPerSecond = 10 }: BudgetOptions): Required<BudgetOptions> => ({
  ratio: checkNumber('budget.ratio', ratio, { max: 1 }),
  minPerSecond: checkNumber('budget.minPerSecond', minPerSecond),
});

/** `onOver` is called for the first retry that is too many, and again only after the budget had room. */
export const createBudget = (
  { ratio, minPerSecond }: Required<BudgetOptions>,
  onOver: (detail: { readonly deliveries: number; readonly retries: number }) => void,
  // Not the time of day, which may be set back.
  clock: () => number = () => performance.now(),
): Budget => {
  const tally = new Tally(SECONDS * 1000);
  let over = false;
  return {
    delivered: (count) => tally.add(count, 0, clock()),
    spend() {
      const now = clock();
      const [deliveries, retries] = tally.sums(now);
      const allowed = retries + 1 <= ratio * deliveries + minPerSecond * SECONDS;
      if (allowed) tally.add(0, 1, now);
      else if (!over) onOver({ deliveries, retries });
      over = !allowed;
      return allowed;
    },
  };
};
