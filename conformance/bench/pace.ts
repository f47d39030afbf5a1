import { now } from './clock.ts';

/** Calls `send` at a steady rate, as well as timers can: at each tick, for all that is due. Resolves after the last call. */
export const pace = (perSecond: number, events: number, send: (index: number) => void): Promise<void> =>
  new Promise((resolve) => {
    const start = now();
    let sent = 0;
    const tick = (): void => {
      const due = Math.min(events, Math.floor(((now() - start) / 1e6) * perSecond));
      while (sent < due) send(sent++);
      if (sent < events) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
