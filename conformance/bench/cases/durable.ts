import type { BenchCase } from '../case.ts';
import { publishBatches, publishEach } from '../publishing.ts';
import { WARM_UP as warmUp } from '../warm-up.ts';

const durability = { replicas: 1 };

/** What it costs to confirm an event only when a replica has it too. */
export const durableCases: readonly BenchCase[] = [
  {
    id: 'W-1',
    what: 'await publish() by 1000 callers, a master with two replicas, 200 B',
    events: 60_000,
    replicated: true,
    reference: { name: 'durability: async', parts: { producer: publishEach(1000, 200, { warmUp }) } },
    subjects: [{ name: 'durability: 1 replica', parts: { producer: publishEach(1000, 200, { durability, warmUp }) } }],
    bars: [{ id: 'W-1', measure: 'rate', floor: 0.25 }],
  },
  {
    id: 'W-2',
    what: 'publishBatch(1000), one in flight, a master with two replicas, 200 B',
    events: 60_000,
    replicated: true,
    reference: { name: 'durability: async', parts: { producer: publishBatches(1000, 1, 200, { warmUp }) } },
    subjects: [
      { name: 'durability: 1 replica', parts: { producer: publishBatches(1000, 1, 200, { durability, warmUp }) } },
    ],
    bars: [{ id: 'W-2', measure: 'rate', floor: 0.25 }],
  },
];
