import type { Feature } from '@logistically/events-kernel';
import { type FailedEvent, Failures } from './failures.ts';
import { Gatherer } from './gatherer.ts';
import { type BatchingOptions, settingsOf } from './options.ts';

/** What the plugin holds at the moment. */
export interface MemoryStats {
  /** Events that wait for room. */
  readonly waiting: number;
  /** Events that are gathered and not handed on; `maxQueued` at the most. */
  readonly queued: number;
  /** Payload bytes of all events that are not settled. */
  readonly bytes: number;
  /** Events that were handed on and are not settled. */
  readonly inFlight: number;
  /** Batches that were handed on and are not settled to the last event; `maxConcurrentBatches` at the most. */
  readonly batches: number;
  /** Events that `failed()` keeps. */
  readonly failed: number;
  /** Failed events that were dropped because there were more than `maxFailedKept`. */
  readonly dropped: number;
}

/** What the plugin gives the kernel. */
export interface BatchingApi {
  readonly batching: {
    /**
     * Hands on at once what is gathered. Resolves when every event that had come to this layer before the call is settled by what
     * lies below; what an asynchronous layer outside still holds, or `retry` sends again, it does not wait for. It never rejects,
     * since each publisher is told of its own event.
     */
    readonly flush: () => Promise<void>;
    /** The events that were not published, oldest first, and why. Stays readable after `stop`. */
    readonly failed: () => readonly FailedEvent[];
    readonly memoryStats: () => MemoryStats;
  };
}

/**
 * Gathers events that are published into batches. Each publisher's promise settles as its own event does.
 *
 * Rejects with `EVENTS_BATCHING_FULL` (too many events wait), `EVENTS_BATCHING_STOPPED` (the kernel stopped before the event was
 * sent) and `EVENTS_BATCHING_UNCONFIRMED` (it stopped before the transport confirmed it). Throws `EVENTS_CONFIG`.
 */
export const batching = (options: BatchingOptions = {}): Feature<BatchingApi> => {
  const settings = settingsOf(options);
  return {
    kind: 'feature',
    name: 'batching',
    setup: (host) => {
      const failures = new Failures(settings.maxFailedKept);
      const onError = (reason: unknown): void => host.emit('error', { source: 'batching', reason });
      /** Of the present start. */
      let gatherer: Gatherer | undefined;
      if (settings.enabled) {
        host.use({
          kind: 'middleware',
          name: 'batching',
          publish: {
            stage: 'batch',
            layer: (next) => {
              gatherer = new Gatherer({ settings, next, failures, onError });
              return gatherer.path;
            },
          },
        });
        host.on('stopping', () => gatherer?.stop());
        host.onStop(() => gatherer?.close());
        host.on('stopped', () => gatherer?.abandon());
      }
      return {
        batching: {
          flush: async () => gatherer?.flush(),
          failed: () => failures.list,
          memoryStats: () => ({
            waiting: gatherer?.waiting ?? 0,
            queued: gatherer?.queued ?? 0,
            bytes: gatherer?.bytes ?? 0,
            inFlight: gatherer?.inFlight ?? 0,
            batches: gatherer?.batches ?? 0,
            failed: failures.size,
            dropped: failures.dropped,
          }),
        },
      };
    },
  };
};
