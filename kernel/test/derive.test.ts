import { describe, expect, test } from 'vitest';
import { Delivery, derive, each, type Middleware, type OutgoingEvent, originOf, transform } from '../src/index.ts';
import { Probe, startProbe } from './probe.ts';

const publishOne = async (options = {}): Promise<OutgoingEvent> => {
  const { kernel, probe } = await startProbe();
  await kernel.publish('user.created', { n: 1 }, { key: 'k', ...options });
  return probe.published[0] as OutgoingEvent;
};

describe('of an outgoing event', () => {
  test('the copy has what changed and keeps the rest, the id too', async () => {
    const event = await publishOne();
    const copy = derive(event, { topic: 'other', headers: { trace: '1' }, body: { n: 2 }, partition: 3 });
    expect(copy).toMatchObject({
      type: 'user.created',
      topic: 'other',
      key: 'k',
      partition: 3,
      body: { n: 2 },
      encoded: false,
    });
    expect(copy.header).toMatchObject({ ...event.header, headers: { trace: '1' } });
    expect(JSON.parse(copy.payload as string)).toMatchObject({
      header: { id: event.header.id, headers: { trace: '1' } },
      body: { n: 2 },
    });
    expect(event).toMatchObject({ topic: 'user-events', partition: undefined, body: { n: 1 } });
    expect(event.header).not.toHaveProperty('headers');
  });

  test('the id is one, whoever asks first', async () => {
    const event = await publishOne();
    const copy = derive(derive(event, { headers: { a: '1' } }), { headers: { b: '1' } });
    expect(copy.header.id).toBe(event.header.id);
  });

  test('a payload stands in for the codec, until the next one', async () => {
    const event = await publishOne();
    expect(event.payload).toBe(event.payload);
    expect(event.encoded).toBe(false);
    const packed = derive(event, { payload: Uint8Array.of(1) });
    expect(packed).toMatchObject({ encoded: true, payload: Uint8Array.of(1), body: { n: 1 } });
    expect(derive(packed, { topic: 'x' })).toMatchObject({ encoded: true, payload: Uint8Array.of(1), topic: 'x' });
  });
});

describe('of a delivery', () => {
  class Marked extends Delivery {
    readonly mark = 'm';
    marked(): string {
      return `${this.mark}${this.cursor}`;
    }
  }
  const delivery = (): Marked => new Marked('t', 0, '1', 2, 'raw');

  test('the copy keeps the class, and leads back to the one that the transport made', () => {
    const own = delivery();
    own.envelope = { header: 1 } as never;
    const copy = derive(derive(own, {}), { payload: 'new' });
    expect(copy).toBeInstanceOf(Marked);
    expect(copy.marked()).toBe('m1');
    expect(copy).toMatchObject({ payload: 'new', envelope: undefined, attempt: 2 });
    expect(originOf(copy)).toBe(own);
    expect(originOf(own)).toBe(own);
    expect(own).toMatchObject({ payload: 'raw', envelope: { header: 1 } });
  });

  test('an envelope may be replaced', () => {
    const envelope = { header: 2 } as never;
    expect(derive(delivery(), { envelope })).toMatchObject({ payload: 'raw', envelope });
  });

  test('its signal is that of the delivery that the transport made', () => {
    const own = delivery();
    const copy = derive(own, {});
    expect(copy.signal.aborted).toBe(false);
    own.abort('lost');
    expect(copy.signal.reason).toBe('lost');
    expect(own.signal).toBe(copy.signal);
  });
});

test('a signal that is read after it fired has fired', () => {
  const delivery = new Delivery('t', 0, '1', 1, '');
  delivery.abort('lost');
  expect(delivery.signal).toMatchObject({ aborted: true, reason: 'lost' });
});

test('layers may settle the copy: it is the same event to the kernel', async () => {
  const careless: Middleware = {
    kind: 'middleware',
    name: 'careless',
    publish: {
      stage: 'enrich',
      layer: (next) => (batch, settle) =>
        next(
          batch.map((event) => derive(event, {})),
          settle,
        ),
    },
    consume: {
      stage: 'filter',
      layer: (next) => (batch, settle) =>
        next(
          batch.map((one) => derive(one, {})),
          settle,
        ),
    },
  };
  const { kernel, probe } = await startProbe({}, new Probe('probe', { groups: true }));
  await kernel.stop();
  kernel.use(careless);
  await kernel.subscribe('user.*', () => {});
  await kernel.start();
  await expect(kernel.publish('user.created', 1)).resolves.toMatchObject({ body: 1 });
  const delivery = probe.deliver('user.created', 1);
  expect(await probe.settled(delivery)).toBeUndefined();
  expect(kernel.stats()).toMatchObject({ publishing: 0, published: 1, inFlight: 0, settled: 1 });
});

test('what a retry sends again is encoded again from the same event', async () => {
  const { kernel, probe } = await startProbe();
  await kernel.stop();
  let attempts = 0;
  probe.onPublish = each(() => {
    if (++attempts < 3) throw new Error('not yet');
  });
  const retry: Middleware = {
    kind: 'middleware',
    name: 'retry',
    publish: {
      stage: 'retry',
      layer: (next) => (batch, settle) => {
        const again = (event: OutgoingEvent, reason?: unknown): void =>
          reason && attempts < 5 ? next([event], again) : settle(event, reason);
        next(batch, again);
      },
    },
  };
  const mark: Middleware = {
    kind: 'middleware',
    name: 'mark',
    publish: { stage: 'encode', layer: transform((event) => derive(event, { payload: `<${event.payload}>` })) },
  };
  await kernel.use(mark).use(retry).start();
  await kernel.publish('user.created', 1);
  const payloads = new Set(probe.published.map(({ payload }) => payload));
  expect(probe.published).toHaveLength(3);
  expect([...payloads]).toEqual([expect.stringMatching(/^<\{[^<>]*\}>$/)]);
});
