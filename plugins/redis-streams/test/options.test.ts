import { isEventsError } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { type RedisStreamsOptions, redisStreams } from '../src/index.ts';
import { settingsOf } from '../src/options.ts';

test('the defaults are those of the README', () => {
  expect(settingsOf('redis-streams', {})).toEqual({
    name: 'redis-streams',
    prefix: 'events',
    partitions: 1,
    leaseMs: 30_000,
    claimIntervalMs: 1000,
    timeoutMs: 5000,
    blockMs: 1000,
    redeliverMs: 100,
    maxBuffered: 100_000,
    confirmMs: 5000,
    durability: undefined,
    retention: undefined,
  });
});

const impossible: readonly [string, RedisStreamsOptions][] = [
  ['prefix', { prefix: '' }],
  ['prefix', { prefix: 'a{b}' }],
  ['prefix', { prefix: 'a b' }],
  ['prefix', { prefix: 'x'.repeat(101) }],
  ['partitions', { partitions: 0 }],
  ['leaseMs', { leaseMs: -1 }],
  ['claimIntervalMs', { claimIntervalMs: 1.5 }],
  ['timeoutMs', { timeoutMs: Number.NaN }],
  ['blockMs', { blockMs: Number.POSITIVE_INFINITY }],
  ['redeliverMs', { redeliverMs: '100' as unknown as number }],
  ['maxBuffered', { maxBuffered: 0 }],
  ['maxLength', { retention: { maxLength: 0 } }],
  ['maxAgeMs', { retention: { maxAgeMs: -5 } }],
  ['durability', { durability: { replicas: 0 } }],
  ['durability', { durability: 'sync' as unknown as 'async' }],
  ['durability.timeoutMs', { durability: { replicas: 1, timeoutMs: 0 } }],
  // A timer of Node would fire at once.
  ['leaseMs', { leaseMs: 2 ** 31 }],
  ['credentials', { credentials: { password: 'x' } as unknown as NonNullable<RedisStreamsOptions['credentials']> }],
  ['name', { name: '' }],
];

test.each(impossible)('%s that cannot be meant is refused by its name: %j', (name, options) => {
  let thrown: unknown;
  try {
    redisStreams(options);
  } catch (error) {
    thrown = error;
  }
  expect(isEventsError(thrown) && thrown.code).toBe('EVENTS_CONFIG');
  expect((thrown as Error).message).toContain(`\`${name}\``);
});

test('nothing connects before the start', () => {
  expect(redisStreams({ url: 'redis://127.0.0.1:1' })).toMatchObject({
    kind: 'transport',
    name: 'redis-streams',
    capabilities: { durable: 'server', groups: true, order: 'partition' },
  });
});
