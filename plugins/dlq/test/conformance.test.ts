import { randomBytes } from 'node:crypto';
import { certify, certifyLayer } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe } from 'vitest';
import { dlq } from '../src/index.ts';

const KEPT = 'what is no event is kept as a dead letter, and not reported as left where it is';
const waive = { 'foreign/malformed': KEPT, 'foreign/hostile': KEPT };
/** The suite lets events fail more often than the default allows. */
const through = () => [dlq({ maxAttempts: 100 })];

const server = await redis();
afterAll(() => server.stop());
const prefix = `dlq-${randomBytes(4).toString('hex')}`;

describe('the layer', () => certifyLayer(() => dlq(), { transport: () => memory() }));

describe('memory', () => certify(() => memory(), { through, waive }));

describe('redis-streams', () =>
  certify(() => redisStreams({ url: server.url, prefix, leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 5000 }), {
    leaseMs: 1000,
    timeoutMs: 15_000,
    through,
    waive,
  }));
