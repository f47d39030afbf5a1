import { setTimeout as sleep } from 'node:timers/promises';

/** How much of what was missed may be made up for, in ms: a timer is never exact. */
const SLACK_MS = 100;

/** Waits until the next one may go, of so many a second. An abort ends the wait. */
export const paceOf = (perSecond: number | undefined, signal: AbortSignal): (() => Promise<void>) => {
  if (perSecond === undefined) return async () => {};
  let due = Date.now();
  return async () => {
    due = Math.max(due + 1000 / perSecond, Date.now() - SLACK_MS);
    const waitMs = due - Date.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => {});
  };
};
