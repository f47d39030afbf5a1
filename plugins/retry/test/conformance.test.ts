import { randomBytes } from 'node:crypto';
import { certify, certifyLayer } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe } from 'vitest';
import { type RetryOptions, retry } from '../src/index.ts';

/** More attempts than any case wants, and waits that it does not notice. */
const patient: RetryOptions = { maxAttempts: 1000, baseDelayMs: 1, maxDelayMs: 50, publish: { baseDelayMs: 1 } };
const everything: RetryOptions = {
  ...patient,
  timeoutMs: 60_000,
  budget: { minPerSecond: 1000 },
  circuit: { minimumCalls: 1_000_000 },
};

const server = await redis({ exclusive: true, appendonly: true });
afterAll(() => server.stop());

describe('laws', () => {
  certifyLayer(() => retry(everything));
});

describe('memory through retry', () => {
  certify(() => memory({ redeliverMs: 10 }), { through: () => [retry(patient)] });
});

describe('memory through retry with everything on', () => {
  certify(() => memory({ redeliverMs: 10 }), { through: () => [retry(everything)] });
});

describe('redis-streams through retry', () => {
  const prefix = `retry-${randomBytes(4).toString('hex')}`;
  const leaseMs = 2000;
  certify(() => redisStreams({ url: server.url, prefix, leaseMs, claimIntervalMs: 100, timeoutMs: 2000 }), {
    leaseMs,
    timeoutMs: 20_000,
    through: () => [retry({ ...everything, baseDelayMs: 10 })],
    restart: () => server.restart(),
    freeze: async () => {
      await server.freeze();
      return () => server.thaw();
    },
    wipe: async () => {
      await server.cli('FLUSHALL');
    },
  });
});
