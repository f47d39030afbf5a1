import { EventsError } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { describe, expect, test } from 'vitest';
import { Claims } from '../src/claims.ts';
import { startNode, until } from './node.ts';

describe('a batch', () => {
  const bodies = ['a', 'b', 'c', 'b'];
  const events = bodies.map((body) => ({ type: 'order.placed', body }));
  const by = ({ body }: { body: unknown }) => String(body);

  test('is claimed in one step of the store and done in another, and what was claimed goes on as one, in order', async () => {
    const steps: (readonly [number, boolean | undefined])[] = [];
    await using node = await startNode({
      by,
      leaseMs: 40,
      store: (own) => ({
        setMany: (entries, options) => {
          steps.push([entries.length, options?.ifAbsent]);
          return own.setMany(entries, options);
        },
      }),
    });
    const handled: unknown[] = [];
    await node.kernel.subscribe('order.*', ({ body }) => void handled.push(body), { concurrency: 10 });
    await node.kernel.publishBatch(events);
    await until(() => node.kernel.idempotency.stats().duplicates === 1, 'the second b is dropped');
    expect(handled).toEqual(['a', 'b', 'c']);
    expect(steps).toEqual([
      [4, true],
      [3, undefined],
    ]);
  });

  test.each(['claimed', 'done'])('that could not be %s is handled once all the same', async (step) => {
    let failures = 0;
    const marked: string[] = [];
    await using node = await startNode({
      leaseMs: 40,
      store: (own) => ({
        setMany: (entries, options) => {
          if ((options?.ifAbsent ? 'claimed' : 'done') === step && failures++ === 0)
            throw new EventsError('EVENTS_TEST_DOWN', 'The store is down.', { retryAfterMs: 5 });
          if (!options?.ifAbsent) marked.push(...entries.map(([key]) => key));
          return own.setMany(entries, options);
        },
        set: (key, value, options) => {
          marked.push(key);
          return own.set(key, value, options);
        },
      }),
    });
    const handled: unknown[] = [];
    await node.kernel.subscribe('order.*', ({ body }) => void handled.push(body), { concurrency: 10 });
    await node.kernel.publishBatch(events);
    await until(() => new Set(marked).size === events.length, 'all are done');
    expect(failures).toBeGreaterThan(0);
    expect(handled.sort()).toEqual([...bodies].sort());
  });

  test('that is settled by somebody who throws is settled to the last event', async () => {
    const claims = new Claims({ store: () => memory().capabilities.store, emit: () => {}, leaseMs: 40, ttlMs: 1000 });
    const told: string[] = [];
    for (const key of ['a', 'b'])
      claims.finish(claims.create(key, Date.now()), () => {
        told.push(key);
        throw new Error('no');
      });
    await until(() => told.length === 2, 'both are told');
    claims.finish(claims.create('c', Date.now()), () => told.push('c'));
    await until(() => told.length === 3, 'the next one is told');
  });
});
