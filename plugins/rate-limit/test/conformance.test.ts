import { randomBytes } from 'node:crypto';
import { certify, certifyLayer } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe } from 'vitest';
import { rateLimit } from '../src/index.ts';

const unlimited = () => [rateLimit({ maxRequests: 1e9 })];
const server = await redis();
afterAll(() => server.stop());
const prefix = `certify-${randomBytes(4).toString('hex')}`;

describe('a limit that never bites', () => certifyLayer(() => rateLimit({ maxRequests: 1e9 })));
describe('a window that bites', () => certifyLayer(() => rateLimit({ maxRequests: 7, timeWindowMs: 10 })));
describe('a bucket that bites', () =>
  certifyLayer(() => rateLimit({ maxRequests: 3, timeWindowMs: 5, strategy: 'token-bucket' })));
describe('a limit that rejects', () =>
  certifyLayer(() => rateLimit({ maxRequests: 7, timeWindowMs: 10, onLimit: 'reject' })));
describe('a short queue', () => certifyLayer(() => rateLimit({ maxRequests: 3, timeWindowMs: 10, maxQueued: 2 })));
describe('a shared limit that bites', () =>
  certifyLayer(() => rateLimit({ maxRequests: 50, timeWindowMs: 100, scope: 'shared' }), {
    transport: () => memory(),
    runs: 5,
  }));

describe('memory', () => certify(() => memory(), { through: unlimited, timeoutMs: 15_000 }));
describe('redis', () =>
  certify(() => redisStreams({ url: server.url, prefix, leaseMs: 3000, claimIntervalMs: 100 }), {
    leaseMs: 3000,
    timeoutMs: 15_000,
    through: unlimited,
  }));
