import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { type BenchBody, bodyOf, createBodies, TYPE } from './body.ts';
import type { OpenPart } from './part.ts';
import { expectCount, Tally } from './tally.ts';

const NAME = 'bench';

const connectionTo = (url: string): ConnectionOptions => ({ url, maxRetriesPerRequest: null });

const addBulks = async (queue: Queue, size: number, bodies: readonly BenchBody[], events: number): Promise<void> => {
  for (let first = 0; first < events; first += size) {
    const length = Math.min(size, events - first);
    await queue.addBulk(Array.from({ length }, (_, index) => ({ name: TYPE, data: bodyOf(bodies, first + index) })));
  }
};

/** `addBulk` with so many jobs, one call after the other. */
export const bullmqAdd =
  (size: number, bytes: number, warmUp = 0): OpenPart =>
  async ({ url, events }) => {
    const queue = new Queue(NAME, { connection: connectionTo(url) });
    const bodies = createBodies(bytes);
    await queue.waitUntilReady();
    await addBulks(queue, size, bodies, warmUp);
    return {
      run: (count) => addBulks(queue, size, bodies, count),
      verify: async () => expectCount('Jobs that wait', await queue.getWaitingCount(), events + warmUp),
      close: () => queue.close(),
    };
  };

/** A worker that drains a backlog and keeps nothing of what is done. */
export const bullmqDrain =
  (concurrency: number, bytes: number): OpenPart =>
  async ({ url, events }) => {
    const connection = connectionTo(url);
    const queue = new Queue(NAME, { connection });
    await addBulks(queue, 1000, createBodies(bytes), events);
    const tally = new Tally(events);
    const handler = async ({ data }: { data: BenchBody }): Promise<void> => tally.add(data);
    const worker = new Worker<BenchBody>(NAME, handler, {
      connection,
      concurrency,
      autorun: false,
      removeOnComplete: { count: 0 },
    });
    await worker.waitUntilReady();
    let completed = 0;
    return {
      run: (count) =>
        new Promise((resolve, reject) => {
          worker.on('completed', () => {
            if (++completed === count) resolve();
          });
          worker.run().catch(reject);
        }),
      async verify() {
        tally.verify();
        const { waiting = 0, active = 0, failed = 0 } = await queue.getJobCounts('waiting', 'active', 'failed');
        expectCount('Jobs that are not completed', waiting + active + failed, 0);
      },
      async close() {
        await worker.close();
        await queue.close();
      },
    };
  };
