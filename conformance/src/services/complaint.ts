import { setTimeout as sleep } from 'node:timers/promises';
import { EventsError } from '@logistically/events-kernel';

const POLL_MS = 25;

/**
 * Asks until nothing is wrong any more. Rejects with `EVENTS_SERVICE_TIMEOUT`, naming the last complaint, when something
 * still is after `deadlineMs`.
 */
export const untilNoComplaint = async (
  what: string,
  complaint: () => Promise<string | undefined>,
  deadlineMs: number,
): Promise<void> => {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const wrong = await complaint();
    if (wrong === undefined) return;
    if (Date.now() > deadline) {
      throw new EventsError('EVENTS_SERVICE_TIMEOUT', `Not within ${deadlineMs} ms: ${what}. Still wrong: ${wrong}.`);
    }
    await sleep(POLL_MS);
  }
};
