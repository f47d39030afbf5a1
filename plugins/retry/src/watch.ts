const TICK_MS = 20;

interface Watched {
  readonly deadline: number;
  readonly onLate: () => void;
  readonly isOver: () => boolean;
}

const watched = new Set<Watched>();
let ticker: NodeJS.Timeout | undefined;

const tick = (): void => {
  const now = performance.now();
  let holds = false;
  for (const each of watched)
    try {
      if (each.deadline > now) holds ||= !each.isOver();
      else {
        watched.delete(each);
        each.onLate();
      }
    } catch {
      // The others must hear of it all the same.
    }
  if (!watched.size) {
    clearInterval(ticker);
    ticker = undefined;
  } else if (!holds) ticker?.unref();
};

/**
 * Calls `onLate` once `ms` have passed, up to 20 ms later; returns what ends that, which tells whether it was in time. One timer
 * for all, and none while nothing is watched. It keeps the process alive, but not for what `isOver`.
 */
export const watch = (ms: number, onLate: () => void, isOver = (): boolean => false): (() => boolean) => {
  const entry = { deadline: performance.now() + ms, onLate, isOver };
  watched.add(entry);
  ticker ??= setInterval(tick, TICK_MS);
  ticker.ref();
  return () => watched.delete(entry);
};
