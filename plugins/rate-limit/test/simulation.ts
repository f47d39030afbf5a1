import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import type {
  Host,
  LifecycleEvents,
  Middleware,
  OutgoingEvent,
  Path,
  Store,
  Transport,
} from '@logistically/events-kernel';
import { onTestFinished } from 'vitest';
import { type RateLimitNeeds, type RateLimitOptions, rateLimit } from '../src/index.ts';

/** What a simulated process is told apart by: what its clock shows is `skewMs` off. */
interface Place {
  skewMs: number;
}

const SERVER: Place = { skewMs: 0 };
const place = new AsyncLocalStorage<Place>();

interface Timer {
  readonly at: number;
  readonly work: () => void;
}

export interface SimulatedTime {
  /** The true time, in ms since the epoch. */
  readonly time: () => number;
  /** Lets time pass, timer by timer; after each of them all that it set off comes to rest. */
  readonly pass: (ms: number) => Promise<void>;
}

/**
 * Simulated time until the test ends, in which each process has a clock of its own. Made for this: the fake timers of vitest wait
 * for a real millisecond with each timer.
 */
export const simulateTime = (): SimulatedTime => {
  const timers = new Set<Timer>();
  const { setTimeout, clearTimeout } = globalThis;
  const { now: dateNow } = Date;
  const { now: performanceNow } = performance;
  let now = 1_700_000_000_000;
  Date.now = () => now + (place.getStore()?.skewMs ?? 0);
  performance.now = () => now - 1_600_000_000_000;
  // A timer fires in the process that set it.
  globalThis.setTimeout = ((work: () => void, ms: number) => {
    const timer = { at: now + Math.max(1, Math.floor(ms)), work: AsyncResource.bind(work) };
    timers.add(timer);
    return timer;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((timer: Timer) => void timers.delete(timer)) as unknown as typeof clearTimeout;
  onTestFinished(() => {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    Date.now = dateNow;
    performance.now = performanceNow;
  });
  const rest = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const nextBy = (end: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) if (timer.at <= (next ? next.at - 1 : end)) next = timer;
    return next;
  };
  return {
    time: () => now,
    async pass(ms) {
      const end = now + ms;
      await rest();
      for (let next = nextBy(end); next; next = nextBy(end)) {
        timers.delete(next);
        now = Math.max(now, next.at);
        next.work();
        await rest();
      }
      now = end;
    },
  };
};

/** The same store, on a server with a clock of its own, which takes up to `latencyMs` each way. */
export const remote = (store: Store, latencyMs: () => number): Store => {
  const trip = async (): Promise<void> => {
    const ms = latencyMs();
    if (ms > 0) await new Promise((resolve) => void setTimeout(resolve, ms));
  };
  const call = async (name: keyof Store, given: readonly unknown[]): Promise<unknown> => {
    await trip();
    const answer = await place.run(SERVER, () => (store[name] as (...all: unknown[]) => unknown)(...given));
    await trip();
    return answer;
  };
  const names = ['get', 'set', 'delete', 'setIfAbsent', 'compareAndSet', 'increment', 'lease'] as const;
  return Object.fromEntries(
    names.map((name) => [name, (...given: unknown[]) => call(name, given)]),
  ) as unknown as Store;
};

export interface Passed {
  readonly event: OutgoingEvent;
  readonly time: number;
}

/** A process that publishes through a limit: `passed` takes what came through it, `refused` counts what did not. */
export const createProcess = (
  options: RateLimitOptions,
  { time, skewMs = 0, store }: { time: () => number; skewMs?: number; store?: Store },
) => {
  const own: Place = { skewMs };
  const passed: Passed[] = [];
  const errors: unknown[] = [];
  let refused = 0;
  let path: Path<OutgoingEvent> = () => {};
  const host = {
    service: 'shop',
    transport: () => ({ capabilities: { store } }) as Transport<RateLimitNeeds>,
    emit: (_: string, { reason }: LifecycleEvents['error']) => errors.push(reason),
    on: () => () => {},
    onStart: () => {},
    use: ({ publish }: Middleware) => {
      path =
        publish?.layer((batch, settle) => {
          for (const event of batch) {
            passed.push({ event, time: time() });
            settle(event);
          }
        }) ?? path;
    },
  };
  rateLimit(options).setup(host as unknown as Host<RateLimitNeeds>);
  return {
    passed,
    errors,
    refused: () => refused,
    publish: (batch: readonly OutgoingEvent[]): void =>
      place.run(own, () =>
        path(batch, (_, reason) => {
          if (reason !== undefined) refused++;
        }),
      ),
    setClock: (by: number): void => {
      own.skewMs += by;
    },
  };
};

let made = 0;
/** Events that carry the number of their making. */
export const eventsOf = (type: string, count: number): OutgoingEvent[] =>
  Array.from({ length: count }, () => ({ type, body: ++made }) as unknown as OutgoingEvent);

/** The shortest time that any `count` + 1 events took. */
export const shortest = (times: readonly number[], count: number): number =>
  times.reduce((least, time, at) => Math.min(least, time - (times[at - count] ?? Number.NEGATIVE_INFINITY)), Infinity);
