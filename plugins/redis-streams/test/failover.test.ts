import { expect, test } from 'vitest';
import { type NatMap, reachable } from '../src/failover.ts';

const TOLD = { host: '10.0.0.1', port: 6379 };
const HERE = { host: '127.0.0.1', port: 7001 };

test.each<[string, NatMap | undefined, typeof TOLD]>([
  ['a table', { '10.0.0.1:6379': HERE }, HERE],
  ['a function', (address) => (address === '10.0.0.1:6379' ? HERE : undefined), HERE],
  ['none', undefined, TOLD],
  ['a table without it', { '10.0.0.2:6379': HERE }, TOLD],
  ['a function that does not know it', () => undefined, TOLD],
  // In the middle of a failover: what cannot be reached is told later, and the process lives.
  [
    'a function that throws',
    () => {
      throw new Error('no such address');
    },
    TOLD,
  ],
  ['a function that gives no port', () => ({ host: 'a' }) as typeof HERE, TOLD],
  ['a function that gives a promise', (() => Promise.resolve(HERE)) as unknown as NatMap, TOLD],
  ['a function that gives a text', (() => 'b:1') as unknown as NatMap, TOLD],
])('addresses are mapped by %s', (_, natMap, expected) => {
  expect(reachable(natMap, TOLD)).toEqual(expected);
});
