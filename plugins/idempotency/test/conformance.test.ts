import { certify, certifyLayer } from '@logistically/events-conformance';
import { memory } from '@logistically/events-memory';
import { describe } from 'vitest';
import { idempotency } from '../src/index.ts';

const LEASE_MS = 400;

/** The rig delivers by a transport without groups, whose deliveries are left alone: here nothing is known of it. */
const layer = (): ReturnType<typeof idempotency> => {
  const feature = idempotency({ leaseMs: LEASE_MS, produce: { by: ({ header }) => header.id } });
  return { ...feature, setup: (host) => feature.setup({ ...host, transports: () => [] }) };
};
certifyLayer(layer, { transport: () => memory() });

const through = () => [idempotency({ leaseMs: LEASE_MS, produce: { by: ({ header }) => header.id } })];

describe('memory', () => {
  certify(() => memory(), { through });
});
