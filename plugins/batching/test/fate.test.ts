import type { Middleware, OutgoingEvent } from '@logistically/events-kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BatchingOptions } from '../src/index.ts';
import { begin, End } from './scene.ts';

type Fate = 'done' | 'done later' | 'fails' | 'fails later' | 'hangs';
interface Body {
  readonly n: number;
  readonly fate: Fate;
}

const KEYS = ['k1', 'k2'] as const;
const event = fc.record({
  fate: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom<Fate>('done', 'done later', 'fails', 'fails later') },
    { weight: 1, arbitrary: fc.constant<Fate>('hangs') },
  ),
  type: fc.constantFrom('user.created', 'user.deleted', 'order.created'),
  key: fc.option(fc.constantFrom(...KEYS), { nil: undefined }),
});
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish' as const), events: fc.tuple(event) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('publish' as const), events: fc.array(event, { maxLength: 9 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'wait' } as const) },
  { weight: 1, arbitrary: fc.constant({ do: 'flush' } as const) },
);
const options: fc.Arbitrary<BatchingOptions> = fc.record({
  strategy: fc.constantFrom('size' as const, 'time' as const, 'partition' as const),
  groupBy: fc.constantFrom(undefined, 'exact' as const, 0),
  maxSize: fc.integer({ min: 1, max: 6 }),
  maxWaitMs: fc.constantFrom(0, 1, 60_000),
  maxQueued: fc.integer({ min: 1, max: 30 }),
  onFull: fc.constantFrom('wait' as const, 'reject' as const),
  maxConcurrentBatches: fc.integer({ min: 1, max: 4 }),
}) as fc.Arbitrary<BatchingOptions>;

const codeOf = (reason: unknown): string => (reason as { code?: string }).code ?? String(reason);
/** What may become of an event that did not come to its transport. */
const NOT_SENT = ['EVENTS_BATCHING_STOPPED', 'EVENTS_BATCHING_FULL'];

test('whatever is published, flushed and stopped: each event is settled once and with its own fate, none is lost, keys keep their order', async () => {
  const property = fc.asyncProperty(options, fc.array(command, { maxLength: 40 }), async (given, commands) => {
    const end = new End();
    const seen: Body[] = [];
    end.path = (batch, settle) => {
      for (const each of batch) {
        const { n, fate } = each.body as Body;
        seen.push({ n, fate });
        const reason = fate.startsWith('fails') ? new Error(`no ${n}`) : undefined;
        if (fate.endsWith('later')) setImmediate(settle, each, reason);
        else if (fate !== 'hangs') settle(each, reason);
      }
    };
    const settled = new Map<number, number>();
    const keys = new Map<number, string>();
    const counting: Middleware = {
      kind: 'middleware',
      name: 'counting',
      publish: {
        stage: 'retry',
        layer: (next) => (batch, settle) => {
          for (const { body, topic, key } of batch) if (key) keys.set((body as Body).n, `${topic}/${key}`);
          next(batch, (each: OutgoingEvent, reason) => {
            const { n } = each.body as Body;
            settled.set(n, (settled.get(n) ?? 0) + 1);
            settle(each, reason);
          });
        },
      },
    };
    const { kernel } = await begin(given, end, counting);
    const outcomes = new Map<Body, string>();
    const open: Promise<unknown>[] = [];
    let made = 0;
    for (const each of commands) {
      if (each.do === 'wait') await new Promise(setImmediate);
      else if (each.do === 'flush') {
        const before = made;
        const flushed = kernel.batching.flush().then(() => {
          for (let n = 1; n <= before; n++) expect(settled.get(n)).toBe(1);
        });
        open.push(flushed);
      } else {
        const bodies = each.events.map(({ fate }): Body => ({ n: ++made, fate }));
        const batch = bodies.map((body, at) => {
          const { type, key } = each.events[at] as (typeof each.events)[number];
          return { type, body, ...(key && { key }) };
        });
        const published = kernel.publishBatch(batch).then(
          () => [],
          ({ failures }) => failures as { index: number; reason: unknown }[],
        );
        open.push(
          published.then((failures) => {
            for (const body of bodies) outcomes.set(body, 'done');
            for (const { index, reason } of failures) outcomes.set(bodies[index] as Body, codeOf(reason));
          }),
        );
      }
    }
    await kernel.stop(60);
    await Promise.all(open);

    expect([...settled.values()].every((times) => times === 1)).toBe(true);
    expect([settled.size, outcomes.size]).toEqual([made, made]);
    const came = new Set(seen.map(({ n }) => n));
    expect(came.size).toBe(seen.length);
    for (const [{ n, fate }, outcome] of outcomes) {
      if (!came.has(n)) expect(NOT_SENT).toContain(outcome);
      else if (fate === 'hangs') expect(outcome).toBe('EVENTS_BATCHING_UNCONFIRMED');
      else expect(outcome).toBe(fate.startsWith('done') ? 'done' : `Error: no ${n}`);
    }
    const failed = kernel.batching.failed().map(({ event: { body }, reason }) => [(body as Body).n, codeOf(reason)]);
    const refused = [...outcomes].filter(([, outcome]) => outcome !== 'done').map(([{ n }, outcome]) => [n, outcome]);
    expect(new Map(failed as [number, string][])).toEqual(new Map(refused as [number, string][]));
    const none = { waiting: 0, queued: 0, bytes: 0, inFlight: 0, batches: 0, failed: refused.length, dropped: 0 };
    expect(kernel.batching.memoryStats()).toEqual(none);
    for (const key of new Set(keys.values())) {
      const order = seen.filter(({ n }) => keys.get(n) === key).map(({ n }) => n);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
  });
  await fc.assert(property, { numRuns: 200 });
});
