import { now } from './clock.ts';
import { WARM_UP_SHARE } from './warm-up.ts';

/** How often a second something happens: while it is measured, and before. */
export interface Pace {
  readonly perSecond: number;
  readonly warmUpPerSecond: number;
}

/** Calls `send` at a steady rate, as well as timers can: at each tick, for all that is due. Resolves after the last call. */
const steadily = (perSecond: number, events: number, send: () => void): Promise<void> =>
  new Promise((resolve) => {
    const start = now();
    let sent = 0;
    const tick = (): void => {
      const due = Math.min(events, Math.floor(((now() - start) / 1e6) * perSecond));
      for (; sent < due; sent++) send();
      if (sent < events) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });

/** Calls `send` with the indices from 0 on, first at the pace of the warm-up, then at the one that is measured. */
export const inPace = async (
  { perSecond, warmUpPerSecond }: Pace,
  events: number,
  send: (index: number) => void,
): Promise<void> => {
  let index = 0;
  const warmUp = Math.floor(events * WARM_UP_SHARE);
  await steadily(warmUpPerSecond, warmUp, () => send(index++));
  await steadily(perSecond, events - warmUp, () => send(index++));
};
