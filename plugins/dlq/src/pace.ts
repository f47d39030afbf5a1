import { setTimeout as sleep } from 'node:timers/promises';

/** How much of what was missed may be made up for, in ms: a timer is never exact. */
const SLACK_MS = 100;
/** A timer that is given more fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Waits until the next one may go, of so many a second. An abort ends the wait. */
export const paceOf = (perSecond: number | undefined, signal: AbortSignal): (() => Promise<void>) => {
  if (perSecond === undefined) return async () => {};
  let due = Date.now();
  return async () => {
    due = Math.max(due + 1000 / perSecond, Date.now() - SLACK_MS);
    for (let waitMs = due - Date.now(); waitMs > 0 && !signal.aborted; waitMs = due - Date.now())
      await sleep(Math.min(waitMs, MAX_TIMER_MS), undefined, { signal }).catch(() => {});
  };
};
