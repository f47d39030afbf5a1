import { type Awaitable, createKernel, type Transport } from '@logistically/events-kernel';
import { numbers } from './bodies.ts';
import type { TransportFactory } from './handle.ts';
import { until } from './until.ts';

export interface MeasureOptions {
  /** Events of each part. Default 10 000. */
  readonly events?: number;
  /** Events of a batch. Default 100. */
  readonly batch?: number;
  /** Publishes under way at a time, and events that a handler works on at once. Default 100. */
  readonly concurrency?: number;
  /** Events that are published one by one, each after the last was handled, for the latency. Default 1000. */
  readonly latencyEvents?: number;
  /** Body of every event. Default: a small object. */
  readonly body?: unknown;
  /** Bound of each part, in ms. Default 60 000. */
  readonly timeoutMs?: number;
}

export interface Rate {
  readonly events: number;
  readonly ms: number;
  readonly perSecond: number;
}

/** From the call of publish to the call of the handler, in ms. */
export interface Latency {
  readonly events: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** What a stopwatch says. Of one machine and one moment: compare it with what was measured beside it. */
export interface Measurement {
  readonly transport: string;
  /** One after another. */
  readonly publishOneByOne: Rate;
  /** Many callers at a time. */
  readonly publishConcurrently: Rate;
  readonly publishInBatches: Rate;
  /** From the first publish to the last event handled. Absent where the transport does not subscribe. */
  readonly deliver?: Rate;
  readonly latency?: Latency;
}

const TYPE = 'measure.happened';

const rate = async (events: number, work: () => Promise<unknown>): Promise<Rate> => {
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  return { events, ms, perSecond: Math.round((events / ms) * 1000) };
};

const latencyOf = (samples: readonly number[]): Latency => {
  const ordered = samples.toSorted((a, b) => a - b);
  const at = (share: number): number => ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))] ?? 0;
  return { events: samples.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
};

/** Takes the time of publishing and delivering, over the factory that `certify` takes. The events stay in topics of their own. */
export const measure = async (factory: TransportFactory, options: MeasureOptions = {}): Promise<Measurement> => {
  const { events = 10_000, batch = 100, concurrency = 100, latencyEvents = 1000, timeoutMs = 60_000 } = options;
  const { body = { orderId: 'o-4711', amount: 4200, currency: 'EUR' } } = options;
  const run = `m${Date.now().toString(36)}`;
  const transport: Transport = await factory();
  const kernel = createKernel({ service: run });
  kernel.use(transport);
  await kernel.start();
  const type = `${run}.${TYPE}`;

  /** Publishes all from `width` callers, so many events at a time each. */
  const publish = async (target: string, width: number, size: number): Promise<void> => {
    const starts = numbers(Math.ceil(events / size));
    const caller = async (): Promise<void> => {
      for (let start = starts.pop(); start !== undefined; start = starts.pop()) {
        if (size === 1) await kernel.publish(target, body);
        else
          await kernel.publishBatch(numbers(Math.min(size, events - start * size)).map(() => ({ type: target, body })));
      }
    };
    await Promise.all(Array.from({ length: width }, caller));
  };

  const deliver = async (): Promise<Rate> => {
    const target = `${run}-deliver.happened`;
    let handled = 0;
    const subscription = await kernel.subscribe(target, () => void handled++, { concurrency });
    const measured = await rate(events, async () => {
      await publish(target, 1, batch);
      await until(
        () => handled >= events,
        timeoutMs,
        () => `${events} events are handled: ${handled}`,
      );
    });
    await subscription.unsubscribe();
    return measured;
  };

  const latency = async (): Promise<Latency> => {
    const target = `${run}-latency.happened`;
    const samples: number[] = [];
    let arrived: Awaitable<void>;
    let arrive: () => void = () => {};
    const subscription = await kernel.subscribe(target, () => arrive());
    for (let index = 0; index < latencyEvents; index++) {
      arrived = new Promise<void>((resolve) => (arrive = resolve));
      const start = performance.now();
      await kernel.publish(target, body);
      await arrived;
      samples.push(performance.now() - start);
    }
    await subscription.unsubscribe();
    return latencyOf(samples);
  };

  try {
    const publishOneByOne = await rate(events, () => publish(type, 1, 1));
    const publishConcurrently = await rate(events, () => publish(type, concurrency, 1));
    const publishInBatches = await rate(events, () => publish(type, 1, batch));
    const published = { transport: transport.name, publishOneByOne, publishConcurrently, publishInBatches };
    return transport.subscribe ? { ...published, deliver: await deliver(), latency: await latency() } : published;
  } finally {
    await kernel.stop();
  }
};
