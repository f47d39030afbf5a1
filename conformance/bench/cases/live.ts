import type { BenchCase } from '../case.ts';
import { consumeLive, consumeTimed } from '../consuming.ts';
import { publishBatches, publishPaced } from '../publishing.ts';
import { rawLive, rawPaced, rawPipeline, rawTimed } from '../reference.ts';
import { SLOW_WARM_UP as warmUp } from '../warm-up.ts';

const concurrency = 1000;

const latency = (perSecond: number, events: number, id: string): Omit<BenchCase, 'bars'> => ({
  id,
  what: `latency from publish to handler at ${perSecond} events/s, two processes, 200 B`,
  events,
  reference: {
    name: 'XADD -> XREADGROUP BLOCK, XACK',
    parts: { producer: rawPaced(perSecond, 200, warmUp), consumer: rawTimed(warmUp) },
  },
  subjects: [
    {
      name: 'publish -> subscribe',
      parts: {
        producer: publishPaced(perSecond, 200, { warmUp }),
        consumer: consumeTimed({ concurrency, warmUp }),
      },
    },
  ],
});

/** Producer and consumer at the same time, each in a process of its own. */
export const liveCases: readonly BenchCase[] = [
  {
    id: 'E-1',
    what: 'end to end, producer and consumer processes, 200 B',
    events: 200_000,
    reference: { name: 'R1 -> R1c', parts: { consumer: rawLive, producer: rawPipeline(200) } },
    subjects: [
      {
        name: 'publishBatch(100) x 2 -> subscribe',
        parts: { consumer: consumeLive({ concurrency }), producer: publishBatches(100, 2, 200) },
      },
    ],
    bars: [{ id: 'E-1', measure: 'rate', floor: 1.4, goal: 1.6 }],
  },
  {
    ...latency(1000, 5000, 'L-1'),
    bars: [
      { id: 'L-1 p50', measure: 'p50', floor: 1.2, goal: 1.1 },
      { id: 'L-1 p99', measure: 'p99', floor: 1.5, goal: 1.5 },
    ],
  },
  {
    ...latency(10_000, 30_000, 'L-2'),
    bars: [
      { id: 'L-2 p50', measure: 'p50', floor: 1.2, goal: 1.2 },
      { id: 'L-2 late', measure: 'late', floor: 1.2, goal: 1.2 },
    ],
  },
];
