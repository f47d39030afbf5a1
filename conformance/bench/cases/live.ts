import type { BenchCase } from '../case.ts';
import { consumeLive, consumeTimed } from '../consuming.ts';
import type { Pace } from '../pace.ts';
import { publishBatches, publishPaced } from '../publishing.ts';
import { rawLive, rawPaced, rawPipeline, rawTimed } from '../reference.ts';

const concurrency = 1000;

const latency = (id: string, events: number, pace: Pace): Omit<BenchCase, 'bars'> => ({
  id,
  what: `latency from publish to handler at ${pace.perSecond} events/s, two processes, 200 B`,
  events,
  reference: {
    name: 'XADD -> XREADGROUP BLOCK, XACK',
    parts: { consumer: rawTimed, producer: rawPaced(pace, 200) },
  },
  subjects: [
    {
      name: 'publish -> subscribe',
      parts: { consumer: consumeTimed({ concurrency }), producer: publishPaced(pace, 200) },
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
    ...latency('L-1', 25_000, { perSecond: 1000, warmUpPerSecond: 4000 }),
    bars: [
      { id: 'L-1 p50', measure: 'p50', floor: 1.2, goal: 1.1 },
      { id: 'L-1 p99', measure: 'p99', floor: 1.5, goal: 1.5 },
    ],
  },
  {
    ...latency('L-2', 50_000, { perSecond: 10_000, warmUpPerSecond: 10_000 }),
    bars: [{ id: 'L-2', measure: 'p50', floor: 1.2, goal: 1.2 }],
  },
];
