import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from './error.ts';

/** Waits for `work`, but not beyond `deadline` (ms since the epoch). True when the work was done by then; a failure throws. */
export const within = async (work: PromiseLike<unknown>, deadline: number): Promise<boolean> => {
  const over = new AbortController();
  // A timer takes no more than 31 bits, and fires at once when given more.
  const late = sleep(Math.min(deadline - Date.now(), 2 ** 31 - 1), false, over).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    over.abort();
  }
};

/** Does `work`; throws what it throws, and `EVENTS_TIMEOUT` when it is not done by `deadline` (ms since the epoch). */
export const finish = async (what: string, deadline: number, work: () => unknown): Promise<void> => {
  if (!(await within((async () => work())(), deadline)))
    fail('EVENTS_TIMEOUT', `${what} took too long: look at the broker and the network.`);
};

/** Waits until there is nothing open, but not beyond `deadline` (ms since the epoch). */
export const drained = async (open: () => number, deadline: number): Promise<void> => {
  while (open() && Date.now() < deadline) await sleep(1);
};
