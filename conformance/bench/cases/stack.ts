import type { BenchCase } from '../case.ts';
import { consumeLive } from '../consuming.ts';
import type { Variant } from '../part.ts';
import { publishEach } from '../publishing.ts';
import { trustworthy } from '../stack.ts';
import type { BenchPlugin } from '../subject.ts';

const concurrency = 1000;

const through = (name: string, plugins: () => readonly BenchPlugin[]): Variant => ({
  name,
  parts: { consumer: consumeLive({ concurrency, plugins }), producer: publishEach(1000, 200, { plugins }) },
});

/** What the plugins cost beside the bare pipeline. */
export const stackCases: readonly BenchCase[] = [
  {
    id: 'S-1',
    what: 'end to end with retry, dlq, batching, idempotency and rate-limit: publish() by 1000 callers -> subscribe, 200 B',
    events: 100_000,
    reference: through('redis-streams alone', () => []),
    subjects: [
      through('all five', () => Object.values(trustworthy).map((create) => create())),
      ...Object.entries(trustworthy).map(([name, create]) => through(name, () => [create()])),
    ],
    bars: [{ id: 'S-1', measure: 'rate', floor: 0.5 }],
  },
];
