import {
  derive,
  type Feature,
  filter,
  type Layer,
  type Middleware,
  type Path,
  transform,
} from '@logistically/events-kernel';
import { describe, expect, test } from 'vitest';
import { certifyLayer, runLaw } from '../src/certify-layer.ts';
import { laws } from '../src/laws.ts';
import type { Passing } from '../src/layer-rig.ts';
import { poor } from './transports/poor.ts';

const middleware = (layer: Layer<Passing>): Middleware => ({
  kind: 'middleware',
  name: 'probe',
  publish: { stage: 'enrich', layer: layer as unknown as NonNullable<Middleware['publish']>['layer'] },
  consume: { stage: 'validate', layer: layer as unknown as NonNullable<Middleware['consume']>['layer'] },
});

const reversed = (text: string): string => [...text].reverse().join('');

describe('the laws hold for', () => {
  describe('a layer that does nothing', () => certifyLayer(() => middleware((next) => next)));
  describe('filter', () =>
    certifyLayer(() => middleware(filter((event) => !JSON.stringify(event.payload).includes('7')))));
  describe('transform', () => certifyLayer(() => middleware(transform((event) => derive(event, {})))));
  describe('transform with promises', () =>
    certifyLayer(() => middleware(transform(async (event) => derive(event, {})))));
  describe('what encodes and decodes', () =>
    certifyLayer(
      (): Middleware => ({
        kind: 'middleware',
        name: 'reverse',
        publish: {
          stage: 'encode',
          layer: transform((event) => derive(event, { payload: reversed(String(event.payload)) })),
        },
        consume: {
          stage: 'decode',
          layer: transform((delivery) => derive(delivery, { payload: reversed(String(delivery.payload)) })),
        },
      }),
    ));
  describe('a feature, with the transport that it asks for', () =>
    certifyLayer(
      (): Feature => ({
        kind: 'feature',
        name: 'probing',
        setup: (host) => {
          host.onStart(() => void host.transport().name);
          host.use(middleware((next) => (batch, settle) => next(batch, settle)));
          return {};
        },
      }),
      { transport: poor },
    ));
});

/** Ways to break a law, and the law that finds it. */
const broken: readonly [string, string, Layer<Passing>][] = [
  ['never settles', 'settles-once', () => () => {}],
  [
    'settles twice',
    'settles-once',
    (next) => (batch, settle) =>
      next(batch, (event, reason) => {
        settle(event, reason);
        settle(event, reason);
      }),
  ],
  [
    'settles what it made itself',
    'settles-once',
    (next) => (batch, settle) =>
      next(
        batch.map((event) => derive(event, {})),
        settle,
      ),
  ],
  [
    'forgets what is settled later',
    'settles-later',
    (next) => (batch, settle) => {
      let open = true;
      next(batch, (event, reason) => open && settle(event, reason));
      open = false;
    },
  ],
  [
    'forgets what failed',
    'settles-failures',
    (next) => (batch, settle) => next(batch, (event, reason) => reason === undefined && settle(event)),
  ],
  [
    'fails all when one fails',
    'tells-apart',
    (next) => (batch, settle) => {
      const reasons = new Map<Passing, unknown>();
      next(batch, (event, reason) => {
        reasons.set(event, reason);
        if (reasons.size === batch.length)
          for (const each of batch)
            settle(
              each,
              [...reasons.values()].find((found) => found !== undefined),
            );
      });
    },
  ],
  [
    'loses a throw in a promise',
    'survives-a-throw',
    (next) => (batch, settle) =>
      void Promise.resolve()
        .then(() => next(batch, settle))
        .catch(() => {}),
  ],
  [
    'settles all when something throws, settled or not',
    'survives-a-throw',
    (next) => (batch, settle) => {
      try {
        next(batch, settle);
      } catch (thrown) {
        for (const event of batch) settle(event, thrown ?? new Error('nothing'));
      }
    },
  ],
  [
    'counts settlements instead of events',
    'survives-settling-twice',
    (next) => (batch, settle) => {
      let open = batch.length;
      const reasons = new Map<Passing, unknown>();
      next(batch, (event, reason) => {
        if (open === 0) return;
        reasons.set(event, reason);
        if (--open === 0) for (const each of batch) if (reasons.has(each)) settle(each, reasons.get(each));
      });
    },
  ],
  [
    'waits for the whole batch',
    'waits-for-nobody',
    (next) => (batch, settle) => {
      const settled: [Passing, unknown][] = [];
      next(batch, (...one) => {
        settled.push(one as [Passing, unknown]);
        if (settled.length === batch.length) for (const each of settled) settle(...each);
      });
    },
  ],
  [
    'passes on what is left, even if nothing is',
    'never-empty',
    (next) => (batch, settle) => {
      next(batch, settle);
      next([], settle);
    },
  ],
  [
    'sorts the batch in place',
    'keeps-the-batch',
    (next) => (batch, settle) => {
      (batch as Passing[]).reverse();
      next(batch, settle);
    },
  ],
  [
    'writes into events',
    'keeps-the-batch',
    (next) => (batch, settle) => {
      for (const event of batch) Object.assign(event, { topic: 'elsewhere' });
      next(batch, settle);
    },
  ],
  [
    'knows one batch at a time',
    'runs-beside-itself',
    (next) => {
      let current: Parameters<Path<Passing>>[1] = () => {};
      return (batch, settle) => {
        current = settle;
        next(batch, (event, reason) => current(event, reason));
      };
    },
  ],
  [
    'ignores calls while it is in one',
    're-enters',
    (next) => {
      let busy = false;
      return (batch, settle) => {
        if (busy) return;
        busy = true;
        next(batch, settle);
        busy = false;
      };
    },
  ],
  [
    'loses the fourth event of a batch',
    'at-random',
    (next) => (batch, settle) => next(batch, (event, reason) => event !== batch[3] && settle(event, reason)),
  ],
];

describe.concurrent('a broken layer that', () => {
  for (const [name, caughtBy, layer] of broken)
    for (const side of ['publish', 'consume'] as const)
      test(`${name} is caught by ${side}/${caughtBy}`, async () => {
        const law = laws.find(({ id }) => id === caughtBy) ?? expect.fail(`there is no law ${caughtBy}`);
        const { status } = await runLaw(law, side, () => middleware(layer), { timeoutMs: 200 });
        expect(status).toBe('failed');
      });
});

describe('runLaw', () => {
  const [law] = laws;
  test('accepts the failure of a waived law, and not that it holds', async () => {
    const waive = { 'publish/settles-once': 'known' };
    const options = { timeoutMs: 50, waive };
    const silent = await runLaw(law ?? expect.fail(), 'publish', () => middleware(() => () => {}), options);
    const fine = await runLaw(law ?? expect.fail(), 'publish', () => middleware((next) => next), options);
    expect([silent.status, fine.status]).toEqual(['waived', 'failed']);
  });

  test('says when there is no layer on a side', async () => {
    const { consume, ...publishing } = middleware((next) => next);
    expect(consume).toBeDefined();
    expect(await runLaw(law ?? expect.fail(), 'consume', () => publishing)).toEqual({ status: 'absent' });
  });
});
