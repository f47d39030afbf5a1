import { createKernel, type Middleware } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { redisStreams } from '@logistically/events-redis-streams';
import { afterAll, describe, expect, test } from 'vitest';
import { certify } from '../src/index.ts';
import { redis } from '../src/services/index.ts';
import { type AnyFeature, PLUGINS, permutations, type StackOptions, stackOf } from './stack/plugins.ts';

/** Nothing that the suite does meets a bound of these. */
const patient: StackOptions = {
  retry: { maxAttempts: 1000, baseDelayMs: 1, maxDelayMs: 50, publish: { baseDelayMs: 1 } },
  batching: { maxWaitMs: 1 },
  idempotency: { leaseMs: 1000 },
  rateLimit: { maxRequests: 1_000_000 },
};

const KEPT = 'what is no event is kept as a dead letter, and not reported as left where it is';
const waive = { 'foreign/malformed': KEPT, 'foreign/hostile': KEPT };

/** The feature, telling when each of its layers is put into its path. */
const telling = (feature: AnyFeature, tell: (what: string) => void): AnyFeature => ({
  ...feature,
  setup: (host) => {
    const use = (middleware: Middleware): void => {
      const { publish, consume, name } = middleware;
      host.use({
        ...middleware,
        ...(publish && {
          publish: {
            ...publish,
            layer: (next) => {
              tell(`publish ${name}`);
              return publish.layer(next);
            },
          },
        }),
        ...(consume && {
          consume: {
            ...consume,
            layer: (next) => {
              tell(`consume ${name}`);
              return consume.layer(next);
            },
          },
        }),
      });
    };
    return feature.setup({ ...host, use } as never);
  },
});

/** The layers from the inside out, as `start` composes them with plugins used in this order. */
const pathsOf = async (names: (typeof PLUGINS)[number][]): Promise<string[]> => {
  const told: string[] = [];
  const kernel = createKernel({ service: 'shop' }).use(memory());
  for (const feature of stackOf(names)) kernel.use(telling(feature, (what) => told.push(what)) as never);
  await kernel.start();
  await kernel.stop();
  return told;
};

test('the order of use changes neither path: all 120 orders of the five make the same layers', async () => {
  const orders = permutations(PLUGINS);
  expect(orders).toHaveLength(120);
  const first = await pathsOf([...PLUGINS]);
  expect(first.toSorted()).toEqual([
    'consume dlq',
    'consume idempotency',
    'consume retry',
    'publish batching',
    'publish rate-limit',
    'publish retry',
  ]);
  for (const order of orders) expect(await pathsOf(order)).toEqual(first);
});

const forwards = () => stackOf(PLUGINS, patient);
const backwards = () => stackOf(PLUGINS.toReversed(), patient);

describe('memory through all five', () => certify(() => memory({ redeliverMs: 10 }), { through: forwards, waive }));
describe('memory through all five, used backwards', () =>
  certify(() => memory({ redeliverMs: 10 }), { through: backwards, waive }));

describe('redis-streams through all five', async () => {
  const server = await redis({ exclusive: true, appendonly: true, appendfsync: 'everysec' });
  afterAll(() => server.stop());
  certify(() => redisStreams({ url: server.url, leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 2000 }), {
    leaseMs: 1000,
    timeoutMs: 20_000,
    through: backwards,
    waive,
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
