import { randomBytes } from 'node:crypto';
import { certify } from '@logistically/events-conformance';
import * as services from '@logistically/events-conformance/services';
import { afterAll } from 'vitest';
import { redisCluster } from '../src/index.ts';
import { Mortals } from './mortal.ts';

// Nobody is to be replaced because a busy machine held it up.
const servers = await services.redisCluster({ appendonly: true, appendfsync: 'always', nodeTimeoutMs: 10_000 });
afterAll(() => servers.stop());

const prefix = `certify-${randomBytes(4).toString('hex')}`;
const mortals = new Mortals();

certify(
  () =>
    mortals.make((connect) =>
      redisCluster({
        clusterNodes: servers.nodes,
        connect,
        prefix,
        leaseMs: 1000,
        claimIntervalMs: 100,
        commandTimeout: 2000,
      }),
    ),
  {
    restart: async () => {
      for (const node of await servers.masters()) await node.restart();
      // A master that has just started refuses writes for 2 s.
      await servers.ready();
    },
    crash: mortals.kill,
    freeze: async () => {
      await Promise.all(servers.nodes.map((node) => node.freeze()));
      return async () => {
        await Promise.all(servers.nodes.map((node) => node.thaw()));
      };
    },
    wipe: async () => {
      for (const node of await servers.masters()) await node.cli('FLUSHALL');
    },
  },
);
