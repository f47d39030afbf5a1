import { readFileSync } from 'node:fs';
import { isEventsError } from '@logistically/events-kernel';
import { expect, test } from 'vitest';
import { type RedisClusterOptions, redisCluster } from '../src/index.ts';
import { clusterSettingsOf } from '../src/options.ts';

const clusterNodes = [{ host: '127.0.0.1', port: 1 }];

test('the defaults', () => {
  expect(clusterSettingsOf({ clusterNodes: [{ host: '10.0.0.1' }, { host: '10.0.0.2', port: 7000 }] })).toEqual({
    seeds: [
      { host: '10.0.0.1', port: 6379 },
      { host: '10.0.0.2', port: 7000 },
    ],
    connectMs: 5000,
    engine: {
      name: 'redis-cluster',
      prefix: 'events',
      partitions: 1,
      leaseMs: 30_000,
      claimIntervalMs: 1000,
      timeoutMs: 3000,
      blockMs: 1000,
      redeliverMs: 100,
      maxBuffered: 100_000,
      confirmMs: 6000,
      durability: undefined,
      retention: undefined,
    },
  });
});

test('the README has them', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const written = Object.fromEntries(
    [...readme.matchAll(/^\| `(\w+)` +\| `?([^|`]*?)`? +\|/gm)].map(([, option, value]) => [option, value]),
  );
  expect(written).toMatchObject({
    name: "'redis-cluster'",
    prefix: "'events'",
    partitions: '1',
    connectionTimeout: '5000',
    commandTimeout: '3000',
    enableFailover: 'true',
    failoverRecovery: '{ enabled: true, maxRetries: 3, retryDelay: 1000 }',
    durability: "'async'",
    leaseMs: '30 000',
    claimIntervalMs: '1000',
    blockMs: '1000',
    redeliverMs: '100',
    maxBuffered: '100 000',
    retention: 'keep everything',
  });
});

test('an event waits for its confirmation as long as failoverRecovery says', () => {
  const confirmMs = (failoverRecovery: RedisClusterOptions['failoverRecovery']): number =>
    clusterSettingsOf({ clusterNodes, commandTimeout: 2000, ...(failoverRecovery && { failoverRecovery }) }).engine
      .confirmMs;
  expect(confirmMs(undefined)).toBe(5000);
  expect(confirmMs({})).toBe(5000);
  expect(confirmMs({ maxRetries: 10, retryDelay: 200 })).toBe(4000);
  expect(confirmMs({ maxRetries: 0 })).toBe(2000);
  expect(confirmMs({ enabled: false, maxRetries: 10 })).toBe(2000);
});

const impossible: readonly [string, Partial<RedisClusterOptions>][] = [
  ['clusterNodes', { clusterNodes: [] }],
  ['clusterNodes', { clusterNodes: undefined as unknown as [] }],
  ['clusterNodes', { clusterNodes: 'localhost:6379' as unknown as [] }],
  ['clusterNodes', { clusterNodes: [{ host: '' }] }],
  ['clusterNodes', { clusterNodes: [{ host: 'a', port: 0 }] }],
  ['clusterNodes', { clusterNodes: [{ host: 'a', port: 65_536 }] }],
  ['clusterNodes', { clusterNodes: [{ host: 'a', port: '6379' as unknown as number }] }],
  ['clusterNodes', { clusterNodes: ['10.0.0.1:6379' as unknown as { host: string }] }],
  ['clusterNodes', { clusterNodes: [null as unknown as { host: string }] }],
  ['clusterNodes', { clusterNodes: [{ host: 6379 as unknown as string }] }],
  ['connectionTimeout', { connectionTimeout: 0 }],
  ['connectionTimeout', { connectionTimeout: Number.POSITIVE_INFINITY }],
  ['commandTimeout', { commandTimeout: -1 }],
  ['commandTimeout', { commandTimeout: 1.5 }],
  ['failoverRecovery.maxRetries', { failoverRecovery: { maxRetries: -1 } }],
  ['failoverRecovery.maxRetries', { failoverRecovery: { maxRetries: Number.NaN } }],
  ['failoverRecovery.retryDelay', { failoverRecovery: { retryDelay: '1s' as unknown as number } }],
  ['clusterNodes', { clusterNodes: [{ host: 'redis://a' }] }],
  ['clusterNodes', { clusterNodes: [{ host: 'a:7000' }] }],
  ['commandTimeout', { commandTimeout: 2 ** 31 }],
  ['enableFailover', { enableFailover: 'false' as unknown as boolean }],
  ['failoverRecovery', { failoverRecovery: false as unknown as NonNullable<RedisClusterOptions['failoverRecovery']> }],
  ['failoverRecovery.enabled', { failoverRecovery: { enabled: 'no' as unknown as boolean } }],
  ['natMap', { natMap: { '10.0.0.1:6379': 'b:1' as unknown as { host: string; port: number } } }],
  ['credentials', { credentials: { password: 'x' } as unknown as NonNullable<RedisClusterOptions['credentials']> }],
  ['prefix', { prefix: 'a{b}' }],
  ['partitions', { partitions: 0 }],
  ['leaseMs', { leaseMs: -1 }],
  ['claimIntervalMs', { claimIntervalMs: 1.5 }],
  ['blockMs', { blockMs: 0 }],
  ['redeliverMs', { redeliverMs: '100' as unknown as number }],
  ['maxBuffered', { maxBuffered: 0 }],
  ['maxLength', { retention: { maxLength: 0 } }],
  ['durability', { durability: { replicas: 0 } }],
  ['durability', { durability: 'sync' as unknown as 'async' }],
  ['durability.timeoutMs', { durability: { replicas: 1, timeoutMs: 0 } }],
];

test.each(impossible)('%s that cannot be meant is refused by its name: %j', (name, options) => {
  let thrown: unknown;
  try {
    redisCluster({ clusterNodes, ...options });
  } catch (error) {
    thrown = error;
  }
  expect(isEventsError(thrown) && thrown.code).toBe('EVENTS_CONFIG');
  expect((thrown as Error).message).toContain(`\`${name}\``);
});

test('nothing connects before the start', () => {
  expect(redisCluster({ clusterNodes })).toMatchObject({
    kind: 'transport',
    name: 'redis-cluster',
    capabilities: { durable: 'server', groups: true, order: 'partition' },
  });
});
