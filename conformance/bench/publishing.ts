import { type BenchBody, bodyOf, createBodies, TYPE } from './body.ts';
import { now } from './clock.ts';
import { inPace, type Pace } from './pace.ts';
import type { OpenPart } from './part.ts';
import { type BenchKernel, openSubject, type SubjectOptions } from './subject.ts';
import { expectCount } from './tally.ts';

type Publish = (kernel: BenchKernel, bodies: readonly BenchBody[], events: number) => Promise<void>;

/** Calls `send` with the indices from 0 on, with so many calls in flight. */
const inLanes = async (lanes: number, total: number, send: (index: number) => Promise<unknown>): Promise<void> => {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) await send(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
};

export const inBatches =
  (size: number, inFlight: number): Publish =>
  (kernel, bodies, events) =>
    inLanes(inFlight, Math.ceil(events / size), (batch) => {
      const first = batch * size;
      const length = Math.min(size, events - first);
      return kernel.publishBatch(
        Array.from({ length }, (_, index) => ({ type: TYPE, body: bodyOf(bodies, first + index) })),
      );
    });

export interface PublishingOptions extends SubjectOptions {
  /** Events to send before the measurement. */
  readonly warmUp?: number;
}

const publisher =
  (publish: Publish, bytes: number, { warmUp = 0, ...options }: PublishingOptions = {}): OpenPart =>
  async ({ url, events }) => {
    const { kernel, topic } = await openSubject(url, options);
    const bodies = createBodies(bytes);
    await publish(kernel, bodies, warmUp);
    return {
      run: (count) => publish(kernel, bodies, count),
      verify: async () => expectCount('Entries of our topic', (await topic()).stored, events + warmUp),
      close: async () => void (await kernel.stop()),
    };
  };

/** `publishBatch` with so many events, and so many batches in flight. */
export const publishBatches = (size: number, inFlight: number, bytes: number, options?: PublishingOptions): OpenPart =>
  publisher(inBatches(size, inFlight), bytes, options);

/** So many callers, each of which awaits one `publish` after the other. */
export const publishEach = (callers: number, bytes: number, options?: PublishingOptions): OpenPart =>
  publisher(
    (kernel, bodies, events) => inLanes(callers, events, (index) => kernel.publish(TYPE, bodyOf(bodies, index))),
    bytes,
    options,
  );

/** A `publish` at a time, at this pace, not waiting for the one before. */
export const publishPaced = (pace: Pace, bytes: number): OpenPart =>
  publisher(async (kernel, bodies, events) => {
    const published: Promise<unknown>[] = [];
    await inPace(pace, events, (index) => {
      published.push(kernel.publish(TYPE, { ...bodyOf(bodies, index), sentAt: now() }));
    });
    await Promise.all(published);
  }, bytes);
