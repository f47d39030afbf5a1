import { bullmqAdd } from '../bullmq.ts';
import type { BenchCase } from '../case.ts';
import { publishBatches, publishEach } from '../publishing.ts';
import { rawPipeline, rawSequence } from '../reference.ts';
import { SLOW_WARM_UP, WARM_UP as warmUp } from '../warm-up.ts';

const KB = 1024;
const r1 = (bytes: number) => ({ name: 'R1: ioredis pipeline(100)', parts: { producer: rawPipeline(bytes, warmUp) } });

export const publishCases: readonly BenchCase[] = [
  {
    id: 'P-7',
    what: 'publishBatch(100), two in flight, 200 B',
    events: 60_000,
    reference: r1(200),
    subjects: [
      { name: 'publishBatch', parts: { producer: publishBatches(100, 2, 200, { warmUp }) } },
      {
        name: 'publishBatch, propagate: false',
        parts: { producer: publishBatches(100, 2, 200, { propagate: false, warmUp }) },
      },
    ],
    bars: [
      { id: 'P-7', measure: 'rate', floor: 2, goal: 2.2 },
      { id: 'P-1', measure: 'rate', goal: 2.6 },
    ],
  },
  {
    id: 'P-2',
    what: 'publishBatch(100), two in flight, 1 KB',
    events: 60_000,
    reference: r1(KB),
    subjects: [{ name: 'publishBatch', parts: { producer: publishBatches(100, 2, KB, { warmUp }) } }],
    bars: [{ id: 'P-2', measure: 'rate', goal: 2 }],
  },
  {
    id: 'P-4',
    what: 'await publish() by 1000 callers, 200 B',
    events: 60_000,
    reference: r1(200),
    subjects: [
      { name: 'publish', parts: { producer: publishEach(1000, 200, { warmUp }) } },
      { name: 'publish, propagate: false', parts: { producer: publishEach(1000, 200, { propagate: false, warmUp }) } },
    ],
    bars: [{ id: 'P-4', measure: 'rate', floor: 1.5, goal: 1.8 }],
  },
  {
    id: 'P-4/1KB',
    what: 'await publish() by 1000 callers, 1 KB',
    events: 60_000,
    reference: r1(KB),
    subjects: [{ name: 'publish', parts: { producer: publishEach(1000, KB, { warmUp }) } }],
    bars: [{ id: 'P-4/1KB', measure: 'rate', goal: 1.35 }],
  },
  {
    id: 'P-6',
    what: 'one await publish() at a time, 200 B',
    events: 5000,
    turns: 20,
    reference: { name: 'await ioredis.xadd()', parts: { producer: rawSequence(200, SLOW_WARM_UP) } },
    subjects: [{ name: 'publish', parts: { producer: publishEach(1, 200, { warmUp: SLOW_WARM_UP }) } }],
    bars: [{ id: 'P-6', measure: 'rate', floor: 0.9, goal: 0.92 }],
  },
  {
    id: 'B-1',
    what: 'batches of 1000, one in flight, 200 B',
    events: 20_000,
    reference: { name: 'BullMQ Queue.addBulk(1000)', parts: { producer: bullmqAdd(1000, 200, warmUp) } },
    subjects: [{ name: 'publishBatch(1000)', parts: { producer: publishBatches(1000, 1, 200, { warmUp }) } }],
    bars: [{ id: 'B-1', measure: 'rate', floor: 6, goal: 9 }],
  },
];
