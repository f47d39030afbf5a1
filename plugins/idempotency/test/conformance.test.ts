import { randomBytes } from 'node:crypto';
import { certify, certifyLayer } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe } from 'vitest';
import { idempotency } from '../src/index.ts';

const LEASE_MS = 400;

/** The rig delivers by a transport without groups, whose deliveries are left alone: here nothing is known of it. */
const layer = (): ReturnType<typeof idempotency> => {
  const feature = idempotency({ leaseMs: LEASE_MS, produce: { by: ({ header }) => header.id } });
  return { ...feature, setup: (host) => feature.setup({ ...host, transports: () => [] }) };
};
certifyLayer(layer, { transport: () => memory() });

const through = () => [idempotency({ leaseMs: LEASE_MS, produce: { by: ({ header }) => header.id } })];

const server = await redis();
afterAll(() => server.stop());

describe('memory', () => {
  certify(() => memory(), { through });
});

describe('redis-streams', () => {
  const prefix = `idempotency-${randomBytes(4).toString('hex')}`;
  const leaseMs = 1000;
  certify(() => redisStreams({ url: server.url, prefix, leaseMs, claimIntervalMs: 100, timeoutMs: 2000 }), {
    leaseMs,
    timeoutMs: 20_000,
    through,
  });
});
