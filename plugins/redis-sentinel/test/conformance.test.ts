import { randomBytes } from 'node:crypto';
import { certify } from '@logistically/events-conformance';
import * as services from '@logistically/events-conformance/services';
import { afterAll, beforeAll, describe } from 'vitest';
import { redisSentinel } from '../src/index.ts';
import { Mortals } from './mortal.ts';

// Nobody is to be replaced because a busy machine held it up.
const servers = await services.redisSentinel({ appendonly: true, appendfsync: 'always', downAfterMs: 10_000 });
afterAll(() => servers.stop());

const prefix = `certify-${randomBytes(4).toString('hex')}`;
const mortals = new Mortals();

certify(
  () =>
    mortals.make((connect) =>
      redisSentinel({
        sentinels: servers.sentinels,
        connect,
        prefix,
        leaseMs: 1000,
        claimIntervalMs: 100,
        commandTimeout: 2000,
        failoverRecovery: { enabled: false },
      }),
    ),
  {
    restart: async () => (await servers.master()).restart(),
    crash: mortals.kill,
    freeze: async () => {
      await Promise.all(servers.nodes.map((node) => node.freeze()));
      return async () => {
        await Promise.all(servers.nodes.map((node) => node.thaw()));
      };
    },
    wipe: async () => {
      await (await servers.master()).cli('FLUSHALL');
    },
  },
);

describe('confirmed by replicas', () => {
  beforeAll(() => servers.ready());
  certify(() =>
    redisSentinel({
      sentinels: servers.sentinels,
      prefix: `${prefix}-durable`,
      leaseMs: 1000,
      claimIntervalMs: 100,
      durability: { replicas: 1 },
    }),
  );
});
