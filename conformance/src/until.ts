import { AssertionError } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Awaitable, within } from '@logistically/events-kernel';

const POLL_MS = 3;

const missed = (timeoutMs: number, what: string | (() => string)): AssertionError =>
  new AssertionError({ message: `Not within ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}` });

/** Waits for a fact. The deadline only bounds a failure; `what` says what was waited for. */
export const until = async (
  fact: () => Awaitable<boolean>,
  timeoutMs: number,
  what: string | (() => string),
): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!(await fact())) {
    if (Date.now() > deadline) throw missed(timeoutMs, what);
    await sleep(POLL_MS);
  }
};

/** The result of `work`, which has to be there within `timeoutMs`. */
export const bounded = async <T>(work: PromiseLike<T>, timeoutMs: number, what: string): Promise<T> => {
  if (!(await within(work, Date.now() + timeoutMs))) throw missed(timeoutMs, what);
  return work;
};
