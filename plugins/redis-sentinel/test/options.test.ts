import { isEventsError } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { type RedisSentinelOptions, redisSentinel } from '../src/index.ts';
import { sentinelSettingsOf } from '../src/options.ts';

const SENTINELS = [{ host: '10.0.0.1' }];

test('the defaults are those of the README', () => {
  expect(sentinelSettingsOf({ sentinels: SENTINELS })).toEqual({
    engine: {
      name: 'redis-sentinel',
      prefix: 'events',
      partitions: 1,
      leaseMs: 30_000,
      claimIntervalMs: 1000,
      timeoutMs: 3000,
      blockMs: 1000,
      redeliverMs: 100,
      maxBuffered: 100_000,
      // 3000 for the server, and three times 1000 for the next master.
      confirmMs: 6000,
      durability: undefined,
      retention: undefined,
    },
    sentinels: [{ host: '10.0.0.1', port: 26_379 }],
    sentinelName: 'mymaster',
    connectMs: 5000,
  });
});

test('the options of the seeds mean what they say', () => {
  const settings = sentinelSettingsOf({
    sentinels: [{ host: 'a', port: 1 }, { host: 'b' }],
    sentinelName: 'orders',
    enableFailover: true,
    failoverRecovery: { enabled: true, maxRetries: 5, retryDelay: 200 },
    connectionTimeout: 700,
    commandTimeout: 900,
  });
  expect(settings).toMatchObject({
    engine: { timeoutMs: 900, confirmMs: 1900 },
    sentinels: [
      { host: 'a', port: 1 },
      { host: 'b', port: 26_379 },
    ],
    sentinelName: 'orders',
    connectMs: 700,
  });
  const none = sentinelSettingsOf({ sentinels: SENTINELS, commandTimeout: 900, failoverRecovery: { enabled: false } });
  expect(none.engine.confirmMs).toBe(900);
});

const impossible: readonly [string, Partial<RedisSentinelOptions>][] = [
  ['sentinels', { sentinels: [] }],
  ['sentinels', { sentinels: undefined as unknown as [] }],
  ['sentinels', { sentinels: [{ host: '' }] }],
  ['sentinels', { sentinels: [{ host: 'a', port: 0 }] }],
  ['sentinels', { sentinels: [{ host: 'a', port: 65_536 }] }],
  ['sentinelName', { sentinelName: '' }],
  ['sentinelName', { sentinelName: 'my master' }],
  ['connectionTimeout', { connectionTimeout: 0 }],
  ['commandTimeout', { commandTimeout: 1.5 }],
  ['failoverRecovery.maxRetries', { failoverRecovery: { maxRetries: -1 } }],
  ['failoverRecovery.retryDelay', { failoverRecovery: { retryDelay: Number.NaN } }],
  ['durability', { durability: { replicas: 0 } }],
  ['durability.timeoutMs', { durability: { replicas: 1, timeoutMs: 0 } }],
  ['sentinels', { sentinels: [{ host: 'h:26379' }] }],
  ['sentinelCredentials', { sentinelCredentials: 'pw' as unknown as { password: string } }],
  ['natMap', { natMap: { '10.0.0.1:6379': { host: 'a' } as { host: string; port: number } } }],
  ['leaseMs', { leaseMs: 1e15 }],
  ['prefix', { prefix: 'a{b}' }],
  ['partitions', { partitions: 0 }],
  ['maxLength', { retention: { maxLength: 0 } }],
];

test.each(impossible)('%s that cannot be meant is refused by its name: %j', (name, options) => {
  let thrown: unknown;
  try {
    redisSentinel({ sentinels: SENTINELS, ...options });
  } catch (error) {
    thrown = error;
  }
  expect(isEventsError(thrown) && thrown.code).toBe('EVENTS_CONFIG');
  expect((thrown as Error).message).toMatch(/^redis-sentinel: /);
  expect((thrown as Error).message).toContain(`\`${name}\``);
});

test('nothing connects before the start', () => {
  expect(redisSentinel({ sentinels: [{ host: '127.0.0.1', port: 1 }] })).toMatchObject({
    kind: 'transport',
    name: 'redis-sentinel',
    capabilities: { durable: 'server', groups: true, order: 'partition' },
  });
});
