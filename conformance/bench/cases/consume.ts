import { bullmqDrain } from '../bullmq.ts';
import type { BenchCase } from '../case.ts';
import { drain } from '../consuming.ts';
import { touching } from '../middlewares.ts';
import { rawDrain } from '../reference.ts';

const r1c = { name: 'R1c: XREADGROUP 100, XACK', parts: { consumer: rawDrain(200) } };
const concurrency = 1000;

export const consumeCases: readonly BenchCase[] = [
  {
    id: 'C-1',
    what: 'drain a backlog, sync handler, 200 B',
    events: 40_000,
    reference: r1c,
    subjects: [
      { name: 'subscribe', parts: { consumer: drain(200, { concurrency }) } },
      { name: 'subscribe, propagate: false', parts: { consumer: drain(200, { concurrency, propagate: false }) } },
    ],
    bars: [{ id: 'C-1', measure: 'rate', floor: 1.2, goal: 1.3 }],
  },
  {
    id: 'C-3',
    what: 'drain a backlog, async handler, 3 sync middlewares, 200 B',
    events: 40_000,
    reference: r1c,
    subjects: [
      { name: 'subscribe', parts: { consumer: drain(200, { concurrency, async: true, plugins: touching }) } },
      {
        name: 'subscribe, propagate: false',
        parts: { consumer: drain(200, { concurrency, async: true, plugins: touching, propagate: false }) },
      },
    ],
    bars: [{ id: 'C-3', measure: 'rate', floor: 1.1, goal: 1.2 }],
  },
  {
    id: 'B-3',
    what: 'drain a backlog, async handler, 200 B',
    events: 50_000,
    reference: { name: 'BullMQ Worker, concurrency 100', parts: { consumer: bullmqDrain(100, 200) } },
    subjects: [
      { name: 'subscribe, concurrency 1000', parts: { consumer: drain(200, { concurrency, async: true }) } },
      { name: 'subscribe, concurrency 100', parts: { consumer: drain(200, { concurrency: 100, async: true }) } },
    ],
    bars: [{ id: 'B-3', measure: 'rate', floor: 6, goal: 8 }],
  },
];
