import { randomBytes } from 'node:crypto';
import { certify } from '@logistically/events-conformance';
import { redis } from '@logistically/events-conformance/services';
import type { Transport } from '@logistically/events-kernel';
import { Redis } from 'ioredis';
import { afterAll } from 'vitest';
import { redisStreams } from '../src/index.ts';

const server = await redis({ exclusive: true, appendonly: true, appendfsync: 'always' });
afterAll(() => server.stop());

const prefix = `certify-${randomBytes(4).toString('hex')}`;
const clients = new WeakMap<Transport, Redis[]>();

certify(
  () => {
    const made: Redis[] = [];
    const transport = redisStreams({
      connect: (_, options) => {
        const client = new Redis(server.url, options);
        made.push(client);
        return client;
      },
      prefix,
      leaseMs: 1000,
      claimIntervalMs: 100,
      timeoutMs: 2000,
    });
    clients.set(transport, made);
    return transport;
  },
  {
    restart: () => server.restart(),
    // All that Redis sees of a dying process is that its connections close.
    crash: (transport) => {
      for (const client of clients.get(transport) ?? []) client.disconnect();
    },
    freeze: async () => {
      await server.freeze();
      return () => server.thaw();
    },
    wipe: async () => {
      await server.cli('FLUSHALL');
    },
  },
);
