import { memory } from '@logistically/events-memory';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RateLimitOptions } from '../src/index.ts';
import { SharedBucket } from '../src/shared-bucket.ts';
import { SharedWindow } from '../src/shared-window.ts';
import { createProcess, eventsOf, type Passed, remote, shortest, simulateTime } from './simulation.ts';

const MONTH = 2_000_000_000;
const PATIENT = { maxQueued: 1_000_000, maxWaitMs: MONTH } satisfies RateLimitOptions;
/** How late a timer is at most, in ms. */
const TICK_MS = 2;

interface Limit {
  readonly maxRequests: number;
  readonly timeWindowMs: number;
}

const limits = fc.record({
  maxRequests: fc.integer({ min: 1, max: 30 }),
  timeWindowMs: fc.integer({ min: 2, max: 900 }),
});
const TYPES = ['a.b', 'c.d'] as const;
const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 20 }), fc.nat({ max: 1000 })),
    count: fc.oneof(fc.nat({ max: 4 }), fc.nat({ max: 40 })),
    type: fc.constantFrom(...TYPES),
  }),
  { minLength: 1, maxLength: 25 },
);

/** When each event passes that arrives at these times, if it passes as early as may be: by trying it out. */
type Model = (arrivals: readonly number[], limit: Limit) => number[];

const windowModel: Model = (arrivals, { maxRequests, timeWindowMs }) => {
  const passed: number[] = [];
  for (const arrival of arrivals) {
    const blocking = passed[passed.length - maxRequests];
    const free = blocking === undefined ? arrival : Math.max(arrival, blocking + timeWindowMs);
    passed.push(Math.max(free, passed.at(-1) ?? 0));
  }
  return passed;
};

const bucketModel: Model = (arrivals, { maxRequests, timeWindowMs }) => {
  const passed: number[] = [];
  let [tokens, at] = [maxRequests, 0];
  for (const arrival of arrivals) {
    const begin = Math.max(arrival, at);
    tokens = Math.min(maxRequests, tokens + ((begin - at) * maxRequests) / timeWindowMs);
    at = begin;
    if (tokens < 1) {
      at += ((1 - tokens) * timeWindowMs) / maxRequests;
      tokens = 1;
    }
    tokens--;
    passed.push(at);
  }
  return passed;
};

describe.each([
  // An event counts up to a hundredth of the window too long.
  ['sliding-window', windowModel, (ms: number) => ms * 1.01 + TICK_MS],
  ['token-bucket', bucketModel, (ms: number) => ms],
] as const)('a %s in a process', (strategy, model, slower) => {
  test('lets pass what the model lets pass, when it does, in order', async () => {
    const { time, pass } = simulateTime();
    await fc.assert(
      fc.asyncProperty(limits, steps, async (limit, all) => {
        const options = { ...PATIENT, ...limit, strategy, limits: { 'c.d': {} } };
        const { passed, publish, refused } = createProcess(options, { time });
        const arrivals: { [type: string]: { body: unknown; time: number }[] } = {};
        for (const { waitMs, count, type } of all) {
          await pass(waitMs);
          const batch = eventsOf(type, count);
          arrivals[type] = [...(arrivals[type] ?? []), ...batch.map(({ body }) => ({ body, time: time() }))];
          publish(batch);
        }
        await pass(2_000_000);
        expect(refused()).toBe(0);
        for (const type of TYPES) {
          const own = passed.filter(({ event }) => event.type === type);
          const expected = arrivals[type] ?? [];
          expect(own.map(({ event }) => event.body)).toEqual(expected.map(({ body }) => body));
          const came = expected.map((each) => each.time);
          const earliest = model(came, limit);
          const latest = model(came, { ...limit, timeWindowMs: slower(limit.timeWindowMs) });
          own.forEach((each, at) => {
            expect(each.time).toBeGreaterThanOrEqual(Math.floor(earliest[at] ?? 0));
            expect(each.time).toBeLessThanOrEqual((latest[at] ?? 0) + TICK_MS);
          });
        }
      }),
      { numRuns: 300 },
    );
  });
});

const shared = fc.record({
  maxRequests: fc.integer({ min: 2, max: 20 }),
  timeWindowMs: fc.integer({ min: 300, max: 900 }),
});
const SIZE = 3;
const publishing = fc.record({
  do: fc.constant('publish' as const),
  node: fc.nat({ max: SIZE - 1 }),
  waitMs: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 1000 })),
  count: fc.nat({ max: 12 }),
});
const setting = fc.record({
  do: fc.constant('set' as const),
  node: fc.nat({ max: SIZE - 1 }),
  waitMs: fc.nat({ max: 300 }),
  /** How many windows a clock is set back. */
  back: fc.oneof(fc.double({ min: 0, max: 0.5, noNaN: true }), fc.constant(1000)),
});
/** A window is to be a hundred times what a call of the store takes. */
const latencies = fc.array(fc.nat({ max: 1 }), { minLength: 1, maxLength: 20 });
/** Shares of the window by which the clocks are ahead of the server's. */
const even = fc.constant(Array<number>(SIZE).fill(0));
const skewed = fc.array(fc.double({ min: 0, max: 0.5, noNaN: true }), { minLength: SIZE, maxLength: SIZE });

describe.each(['sliding-window', 'token-bucket'] as const)('a %s that three processes share', (strategy) => {
  test.each([
    ['whose clocks agree', even, fc.array(publishing, { minLength: 1, maxLength: 12 })],
    ['whose clocks differ by up to half a window', skewed, fc.array(publishing, { minLength: 1, maxLength: 12 })],
    ['whose clocks are set back', even, fc.array(fc.oneof(publishing, publishing, setting), { maxLength: 15 })],
  ])('%s: never lets more pass than is said, and all in the end, in order', async (_, skews, commands) => {
    const { time, pass } = simulateTime();
    await fc.assert(
      fc.asyncProperty(shared, skews, commands, latencies, async (limit, skew, all, latency) => {
        const { maxRequests, timeWindowMs } = limit;
        let asked = 0;
        const store = remote(memory().capabilities.store, () => latency[asked++ % latency.length] ?? 0);
        const options: RateLimitOptions = { ...PATIENT, ...limit, strategy, scope: 'shared' };
        const clocks = skew.map((share) => Math.round(share * timeWindowMs));
        const nodes = clocks.map((skewMs) => createProcess(options, { time, skewMs, store }));
        const sent: unknown[][] = nodes.map(() => []);
        let [least, most] = [Math.min(...clocks), Math.max(...clocks)];
        for (const command of all) {
          await pass(command.waitMs);
          const node = nodes[command.node];
          if (command.do === 'publish') {
            const batch = eventsOf('a.b', command.count);
            sent[command.node]?.push(...batch.map(({ body }) => body));
            node?.publish(batch);
          } else {
            const by = -Math.round(command.back * timeWindowMs);
            clocks[command.node] = (clocks[command.node] ?? 0) + by;
            node?.setClock(by);
            least = Math.min(least, ...clocks);
            most = Math.max(most, ...clocks);
          }
        }
        const total = sent.flat().length;
        const done = (): number => nodes.reduce((sum, { passed }) => sum + passed.length, 0);
        for (let rounds = 0; done() < total && rounds < 400; rounds++) await pass(timeWindowMs);
        nodes.forEach(({ passed, errors, refused }, at) => {
          expect([errors, refused()]).toEqual([[], 0]);
          expect(passed.map(({ event }) => event.body)).toEqual(sent[at]);
        });
        const passed: readonly Passed[] = nodes.flatMap((each) => each.passed);
        const times = passed.map((each) => each.time).sort((a, b) => a - b);
        const apart = most - least;
        if (strategy === 'sliding-window') {
          // What was counted before others' clocks moved on may pass until its own slice is over.
          const stretch = timeWindowMs - apart - (apart > 0 ? timeWindowMs / 10 : 0);
          expect(shortest(times, maxRequests)).toBeGreaterThanOrEqual(Math.floor(stretch));
        } else
          for (const [first, begin] of times.entries())
            for (const [last, end] of times.entries()) {
              // Fetched tokens are good for a tenth of the window.
              const gained = ((end - begin + apart + timeWindowMs / 10 + TICK_MS) * maxRequests) / timeWindowMs;
              if (last > first) expect(last - first + 1).toBeLessThanOrEqual(maxRequests + gained + 1);
            }
      }),
      { numRuns: 300 },
    );
  });
});

test.each([
  ['a short window', 3, 100, 8, [0, 0, 40], 0],
  ['a very slow store', 1, 1000, 55, [0, 0, 0], 400],
] as const)(
  '%s, of which a slice is over before the store answers: all pass in the end, in order',
  async (...given) => {
    const [, maxRequests, timeWindowMs, latencyMs, skews, leastMs] = given;
    const { time, pass } = simulateTime();
    const store = remote(memory().capabilities.store, () => latencyMs);
    const options: RateLimitOptions = { ...PATIENT, maxRequests, timeWindowMs, scope: 'shared' };
    const nodes = skews.map((skewMs) => createProcess(options, { time, skewMs, store }));
    const sent = nodes.map(() => eventsOf('a.b', 20));
    nodes.forEach(({ publish }, at) => {
      publish(sent[at] ?? []);
    });
    for (let windows = 0; windows < 2000; windows++) await pass(timeWindowMs);
    expect(nodes.map(({ passed }) => passed.map(({ event }) => event.body))).toEqual(
      sent.map((events) => events.map(({ body }) => body)),
    );
    const times = nodes.flatMap(({ passed }) => passed.map((each) => each.time)).sort((a, b) => a - b);
    expect(shortest(times, maxRequests)).toBeGreaterThanOrEqual(leastMs);
  },
);

test.each([
  ['bucket', SharedBucket],
  ['window', SharedWindow],
] as const)('of a shared %s, what was fetched and not used lapses', async (_, Shared) => {
  const { pass } = simulateTime();
  const { store } = memory().capabilities;
  const rule = { pattern: '', maxRequests: 1000, timeWindowMs: 1000, strategy: 'token-bucket' } as const;
  const allowance = new Shared(rule, 'limit', () => store);
  await allowance.refill(1);
  expect(allowance.take(4)).toBe(4);
  await pass(100);
  expect(allowance.take(1)).toBe(0);
  await allowance.refill(1);
  expect(allowance.take(1)).toBe(1);
});
