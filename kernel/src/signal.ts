import { setMaxListeners } from 'node:events';

/** Calls `listener` when the signal fires; returns what ends that. */
export const onAbort = (signal: AbortSignal, listener: () => void): (() => void) => {
  try {
    // Many may share a signal, and Node takes more than ten listeners for a leak. Its own fetch raises the limit too.
    setMaxListeners(0, signal);
  } catch {
    // One that is not Node's, as jsdom has, knows no limit.
  }
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
};
