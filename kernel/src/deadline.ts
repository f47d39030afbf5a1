import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from './error.ts';
import type { Awaitable } from './path.ts';

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

/** What `work` gives; throws what it throws, and `EVENTS_TIMEOUT` when it is not done by `deadline` (ms since the epoch). */
export const finish = async <T>(what: string, deadline: number, work: () => Awaitable<T>): Promise<T> => {
  const done = (async () => work())();
  if (!(await within(done, deadline)))
    fail('EVENTS_TIMEOUT', `${what} took too long: look at the broker and the network.`);
  return done;
};

/** Waits until there is nothing open, but not beyond `deadline` (ms since the epoch). Resolves with what is open still. */
export const drained = async (open: () => number, deadline: number): Promise<number> => {
  while (open() && Date.now() < deadline) await sleep(1);
  return open();
};

/** Divides the time from now to `deadline` (ms since the epoch): 0.5 is the moment when half of it has passed. */
export const shares = (deadline: number): ((share: number) => number) => {
  const begin = Date.now();
  return (share) => begin + share * (deadline - begin);
};
