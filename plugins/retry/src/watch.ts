const TICK_MS = 20;

interface Watched {
  readonly deadline: number;
  readonly onLate: () => void;
}

const watched = new Set<Watched>();
let ticker: NodeJS.Timeout | undefined;

const tick = (): void => {
  const now = performance.now();
  for (const each of watched)
    if (each.deadline <= now) {
      watched.delete(each);
      each.onLate();
    }
  if (watched.size) return;
  clearInterval(ticker);
  ticker = undefined;
};

/**
 * Calls `onLate` once `ms` have passed, up to 20 ms later; returns what ends that, which tells whether it was in time. One timer
 * for all, and none while nothing is watched.
 */
export const watch = (ms: number, onLate: () => void): (() => boolean) => {
  const entry = { deadline: performance.now() + ms, onLate };
  watched.add(entry);
  // What hangs does not keep a process alive that has stopped.
  ticker ??= setInterval(tick, TICK_MS).unref();
  return () => watched.delete(entry);
};
