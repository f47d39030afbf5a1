import { randomBytes } from 'node:crypto';
import { certify, certifyLayer } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe } from 'vitest';
import { batching } from '../src/index.ts';

const server = await redis();
afterAll(() => server.stop());
const prefix = `batching-${randomBytes(4).toString('hex')}`;
const through = () => [batching({ maxWaitMs: 5 })];

certifyLayer(() => batching({ maxWaitMs: 5 }));

describe.each([
  { strategy: 'time', maxSize: 2 },
  { strategy: 'partition', groupBy: 'exact', maxSize: 3 },
  { groupBy: 1, maxQueued: 4, maxBytes: 1 },
] as const)('with %o', (options) => {
  certifyLayer(() => batching({ maxWaitMs: 2, maxConcurrentBatches: 20, ...options }));
});

describe('one batch at a time', () => {
  certifyLayer(() => batching({ maxWaitMs: 2, maxSize: 2, maxConcurrentBatches: 1 }), {
    waive: { 'publish/waits-for-nobody': 'a batch that is not settled is the one that may be under way' },
  });
});

describe('memory', () => {
  certify(() => memory(), { through });
});

describe('redis-streams', () => {
  certify(() => redisStreams({ url: server.url, prefix, leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 2000 }), {
    leaseMs: 1000,
    through,
  });
});
