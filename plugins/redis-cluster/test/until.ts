import { setTimeout as sleep } from 'node:timers/promises';
import type { Awaitable } from '@logistically/events-kernel';

const POLL_MS = 10;

/** Waits for a fact. `deadlineMs` only bounds a failure; `what` says what was waited for. */
export const until = async (
  fact: () => Awaitable<boolean>,
  what: string | (() => unknown),
  deadlineMs = 20_000,
): Promise<void> => {
  const deadline = Date.now() + deadlineMs;
  while (!(await fact())) {
    if (Date.now() > deadline) {
      const said = typeof what === 'string' ? what : JSON.stringify(await what());
      throw new Error(`Not within ${deadlineMs} ms: ${said}`);
    }
    await sleep(POLL_MS);
  }
};
