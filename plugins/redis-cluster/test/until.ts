import { setTimeout as sleep } from 'node:timers/promises';
import type { Awaitable } from '@logistically/events-kernel';

const POLL_MS = 10;
/** The same where it takes long to find out: what is waited for needs the processor, too. */
const RARE_POLL_MS = 200;

/** Waits for a fact. `deadlineMs` only bounds a failure; `what` says what was waited for. */
export const until = async (
  fact: () => Awaitable<boolean>,
  what: string | (() => unknown),
  deadlineMs = 20_000,
): Promise<void> => {
  const deadline = Date.now() + deadlineMs;
  for (let asked = Date.now(); !(await fact()); asked = Date.now()) {
    if (Date.now() > deadline) {
      const said = typeof what === 'string' ? what : JSON.stringify(await what());
      throw new Error(`Not within ${deadlineMs} ms: ${said}`);
    }
    await sleep(Math.min(RARE_POLL_MS, POLL_MS + 4 * (Date.now() - asked)));
  }
};
