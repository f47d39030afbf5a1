import { randomBytes } from 'node:crypto';
import { batching } from '@logistically/events-batching';
import { certify } from '@logistically/events-conformance';
import * as services from '@logistically/events-conformance/services';
import { dlq } from '@logistically/events-dlq';
import { idempotency } from '@logistically/events-idempotency';
import { rateLimit } from '@logistically/events-rate-limit';
import { retry } from '@logistically/events-retry';
import { afterAll, describe } from 'vitest';
import { redisCluster } from '../src/index.ts';

// Nobody is to be replaced because a busy machine held it up.
const servers = await services.redisCluster({ appendonly: true, nodeTimeoutMs: 10_000 });
afterAll(() => servers.stop());

/** Nothing that the suite does meets a bound of these. */
const plugins = {
  retry: () => retry({ maxAttempts: 1000, baseDelayMs: 1, maxDelayMs: 50, publish: { baseDelayMs: 1 } }),
  dlq: () => dlq(),
  batching: () => batching({ maxWaitMs: 1 }),
  idempotency: () => idempotency({ leaseMs: 1000, produce: { by: ({ header }) => header.id } }),
  'rate-limit': () => rateLimit({ maxRequests: 1_000_000 }),
};
const all = () => Object.values(plugins).map((make) => make());

const KEPT = 'what is no event is kept as a dead letter, and not reported as left where it is';
const keptByDlq = { 'foreign/malformed': KEPT, 'foreign/hostile': KEPT };

const through = (make: () => ReturnType<typeof all>, waive: Readonly<Record<string, string>> = {}): void => {
  const prefix = `through-${randomBytes(4).toString('hex')}`;
  certify(
    () =>
      redisCluster({ clusterNodes: servers.nodes, prefix, leaseMs: 2000, claimIntervalMs: 100, commandTimeout: 2000 }),
    { leaseMs: 2000, timeoutMs: 20_000, runs: 5, through: make, waive },
  );
};

for (const [name, make] of Object.entries(plugins))
  describe(`through ${name}`, () => through(() => [make()], name === 'dlq' ? keptByDlq : {}));

describe('through all five', () => through(all, keptByDlq));
