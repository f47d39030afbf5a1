import assert from 'node:assert/strict';
import type { Store } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';

const TTL_MS = 80;
const LONG_MS = 60_000;

/** The store as two nodes see it, and a key that no other case uses. */
interface Scope {
  readonly one: Store;
  readonly other: Store;
  /** The one and the other in turn. */
  readonly inTurn: (n: number) => Store;
  readonly key: string;
}

const withStores =
  (prove: (scope: Scope, context: CaseContext) => Promise<void>): Case['run'] =>
  async (context) => {
    const [one, other] = [(await context.node()).can('store'), (await context.node()).can('store')];
    await prove({ one, other, inTurn: (n) => (n % 2 === 0 ? one : other), key: context.group('key') }, context);
  };

/** Every way in which a key might be taken for something else. */
const KEYS = [
  'plain',
  'a:b',
  'a:b:c',
  'a b',
  'a*',
  'a?',
  '[ab]',
  '{a}b',
  'a}b{',
  '\n',
  'ключ',
  '💥',
  '',
  '__proto__',
  'a\u0000b',
];

export const storeCases: readonly Case[] = [
  {
    id: 'store/get-set-delete',
    clause: 'store',
    title: 'text is set, read by every handle, replaced and deleted',
    needs: ['store'],
    run: withStores(async ({ one, other, key }) => {
      assert.equal(await one.get(key), undefined);
      for (const value of ['first', '', 'with \u0000 and ☃ and \n', '0']) {
        await one.set(key, value);
        assert.equal(await other.get(key), value);
      }
      await other.delete(key);
      assert.equal(await one.get(key), undefined);
      await other.delete(key);
    }),
  },
  {
    id: 'store/any-key',
    clause: 'C13',
    title: 'keys are free text: none is taken for another, or for a pattern',
    needs: ['store'],
    run: withStores(async ({ one: store }, context) => {
      const keys = KEYS.map((key) => `${context.name}${key}`);
      for (const key of keys) await store.set(key, `value of ${key}`);
      for (const key of keys) assert.equal(await store.get(key), `value of ${key}`);
      await store.delete(`${context.name}a*`);
      for (const key of keys.filter((each) => !each.endsWith('a*')))
        assert.equal(await store.get(key), `value of ${key}`);
    }),
  },
  {
    id: 'store/expires',
    clause: 'store',
    title: 'what is set with a time to live is gone after it, and a later set without one stays',
    needs: ['store'],
    run: withStores(async ({ one: store, key }, context) => {
      const [kept, once] = [context.group('kept'), context.group('once')];
      const start = Date.now();
      await store.set(key, 'short', { ttlMs: TTL_MS });
      await store.set(kept, 'short', { ttlMs: TTL_MS });
      await store.set(kept, 'long');
      assert.equal(await store.setIfAbsent(once, 'short', { ttlMs: TTL_MS }), true);
      const read = await store.get(key);
      if (Date.now() - start < TTL_MS / 2) assert.equal(read, 'short');
      await context.until(async () => (await store.get(key)) === undefined, 'it has expired');
      await context.until(async () => store.setIfAbsent(once, 'again'), 'what was set if absent has expired too');
      assert.equal(await store.get(kept), 'long');
    }),
  },
  {
    id: 'store/set-if-absent',
    clause: 'store',
    title: 'of fifty that set a key if it is absent one succeeds, and its value stays',
    needs: ['store'],
    run: withStores(async ({ one, inTurn, key }) => {
      const won = await Promise.all(numbers(50).map((n) => inTurn(n).setIfAbsent(key, String(n))));
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(await one.get(key), String(won.indexOf(true)));
    }),
  },
  {
    id: 'store/set-many',
    clause: 'store',
    title: 'many keys are set at once, all or those that are absent, each by itself and with its time to live',
    needs: ['store'],
    run: withStores(async ({ one: store, inTurn }, context) => {
      const keys = numbers(1200).map((n) => `${context.name}${n}`);
      const entries = (value: string): [string, string][] => keys.map((key) => [key, value]);
      assert.deepEqual(await store.setMany([]), []);
      assert(!(await store.setMany(entries('a').slice(0, 600))).includes(false), 'all are set');
      const held = await store.setMany(entries('b'), { ifAbsent: true });
      assert.deepEqual(held, [...Array(600).fill(false), ...Array(600).fill(true)]);
      for (const n of [0, 599]) assert.equal(await store.get(String(keys[n])), 'a');
      for (const n of [600, 1199]) assert.equal(await store.get(String(keys[n])), 'b');
      await store.setMany(entries('c'), { ttlMs: TTL_MS });
      await context.until(async () => (await store.get(String(keys[0]))) === undefined, 'it has expired');
      await context.until(async () => (await store.get(String(keys[1199]))) === undefined, 'so has the last');
      const races = await Promise.all(
        numbers(10).map((n) => inTurn(n).setMany(entries(String(n)), { ifAbsent: true })),
      );
      for (const n of keys.keys()) assert.equal(races.filter((race) => race[n]).length, 1, 'each is set by one');
    }),
  },
  {
    id: 'store/compare-and-set',
    clause: 'store',
    title: 'compare-and-set sets where the key holds what is expected, and nowhere else',
    needs: ['store'],
    run: withStores(async ({ one: store, key }) => {
      assert.equal(await store.compareAndSet(key, 'something', 'a'), false);
      assert.equal(await store.get(key), undefined);
      assert.equal(await store.compareAndSet(key, undefined, 'a'), true);
      assert.equal(await store.compareAndSet(key, undefined, 'b'), false);
      assert.equal(await store.compareAndSet(key, 'b', 'c'), false);
      assert.equal(await store.get(key), 'a');
      assert.equal(await store.compareAndSet(key, 'a', ''), true);
      assert.equal(await store.compareAndSet(key, undefined, 'c'), false, 'an empty text is not absence');
      assert.equal(await store.compareAndSet(key, '', 'c'), true);
    }),
  },
  {
    id: 'store/compare-and-set-race',
    clause: 'store',
    title: 'ten that count by compare-and-set at once lose no count',
    needs: ['store'],
    run: withStores(async ({ one, inTurn, key }) => {
      const count = async (store: Store): Promise<void> => {
        for (let tries = 0; tries < 1000; tries++) {
          const held = await store.get(key);
          if (await store.compareAndSet(key, held, String(Number(held ?? 0) + 1))) return;
        }
        assert.fail('nobody may set');
      };
      await Promise.all(numbers(10).map((n) => count(inTurn(n))));
      assert.equal(await one.get(key), '10');
    }),
  },
  {
    id: 'store/increment',
    clause: 'store',
    title: 'a counter begins at 0, adds what it is told, and loses nothing when many count at once',
    needs: ['store'],
    run: withStores(async ({ one, other, inTurn, key }, context) => {
      assert.equal(await one.increment(key), 1);
      assert.equal(await other.increment(key, 5), 6);
      assert.equal(await one.increment(key, -6), 0);
      const sums = await Promise.all(numbers(100).map((n) => inTurn(n).increment(key)));
      assert.deepEqual(
        sums.toSorted((a, b) => a - b),
        numbers(100, 1),
      );
      const short = context.group('short');
      await one.increment(short, 7, { ttlMs: TTL_MS });
      await context.until(async () => (await one.get(short)) === undefined, 'a counter with a time to live expires');
    }),
  },
  {
    id: 'store/lease',
    clause: 'store',
    title: 'a lease has one holder at a time; once released or expired the next may have it',
    needs: ['store'],
    run: withStores(async ({ one, other, inTurn, key }, context) => {
      const taken = await Promise.all(numbers(20).map((n) => inTurn(n).lease(key, LONG_MS)));
      const [held, ...more] = taken.filter((lease) => lease !== undefined);
      assert(held && more.length === 0, `one of twenty holds it, not ${more.length + 1}`);
      assert.equal(await held.renew(), true);
      assert.equal(await other.lease(key, LONG_MS), undefined, 'renewed it is still held');
      await held.release();
      const next = await other.lease(key, TTL_MS);
      assert(next, 'released it is free');
      await context.until(async () => (await one.lease(key, LONG_MS)) !== undefined, 'expired it is free');
      assert.equal(await next.renew(), false, 'who lost it cannot renew it');
      await next.release();
      assert.equal(await other.lease(key, LONG_MS), undefined, 'nor release it');
    }),
  },
  {
    id: 'store/fencing',
    clause: 'store',
    title: 'the token of a lease grows with every lease of its key, released or expired',
    needs: ['store'],
    run: withStores(async ({ inTurn, key }, context) => {
      const tokens: number[] = [];
      for (const n of numbers(6)) {
        const take = async (): Promise<boolean> => {
          const lease = await inTurn(n).lease(key, TTL_MS / 4);
          if (lease) tokens.push(lease.token);
          if (lease && n % 3 === 0) await lease.release();
          return lease !== undefined;
        };
        await context.until(take, 'the lease is free');
      }
      for (const [index, token] of tokens.entries())
        assert(index === 0 || token > (tokens[index - 1] as number), `the tokens are ${tokens}`);
    }),
  },
];
