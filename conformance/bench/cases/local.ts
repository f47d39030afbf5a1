import type { BenchCase } from '../case.ts';
import {
  emitteryEmit,
  type LocalOptions,
  mittEmit,
  publishAmongPatterns,
  publishAwaited,
  publishUnawaited,
} from '../in-memory.ts';
import { harmless, hostile, matchAll } from '../matching.ts';

const emit = (id: string, options: Required<Pick<LocalOptions, 'handlers'>>): BenchCase => ({
  id,
  what: `in memory, not awaited, sync handlers: ${options.handlers}`,
  events: 200_000,
  local: true,
  reference: { name: 'mitt emit', parts: { bus: mittEmit(options) } },
  subjects: [
    { name: 'publish, isolate: false', parts: { bus: publishUnawaited({ ...options, isolate: false }) } },
    { name: 'publish', parts: { bus: publishUnawaited({ ...options, isolate: true }) } },
  ],
  bars: [{ id, measure: 'rate' }],
});

const awaited = (id: string, kind: string, options: LocalOptions): Omit<BenchCase, 'bars'> => ({
  id,
  what: `in memory, awaited, one ${kind} handler`,
  events: 200_000,
  local: true,
  reference: { name: 'await emittery.emit()', parts: { bus: emitteryEmit(options) } },
  subjects: [
    { name: 'await publish, isolate: false', parts: { bus: publishAwaited({ ...options, isolate: false }) } },
    {
      name: 'the same, propagate: false',
      parts: { bus: publishAwaited({ ...options, isolate: false, propagate: false }) },
    },
    { name: 'await publish', parts: { bus: publishAwaited({ ...options, isolate: true }) } },
  ],
});

/** Within one process. */
export const localCases: readonly BenchCase[] = [
  emit('I-1', { handlers: 1 }),
  emit('I-2', { handlers: 10 }),
  { ...awaited('I-3', 'sync', {}), bars: [{ id: 'I-3', measure: 'rate', floor: 10, goal: 15 }] },
  { ...awaited('I-3/async', 'async', { async: true }), bars: [{ id: 'I-3/async', measure: 'rate', goal: 8 }] },
  {
    id: 'I-4',
    what: 'in memory, awaited, 1024 types with a handler each',
    events: 200_000,
    local: true,
    reference: { name: 'exact types only', parts: { bus: publishAmongPatterns(0) } },
    subjects: [{ name: 'among 10,000 patterns', parts: { bus: publishAmongPatterns(10_000) } }],
    bars: [{ id: 'I-4', measure: 'rate', floor: 0.9, goal: 0.9 }],
  },
  {
    id: 'I-5',
    what: 'one match of a type that was not seen before, among 10,000 patterns',
    events: 10_000,
    local: true,
    reference: { name: 'harmless patterns and types', parts: { matcher: matchAll(harmless) } },
    subjects: [{ name: 'hostile patterns and types', parts: { matcher: matchAll(hostile) } }],
    bars: [
      { id: 'I-5 p50', measure: 'p50' },
      { id: 'I-5 worst', measure: 'worst' },
    ],
  },
];
