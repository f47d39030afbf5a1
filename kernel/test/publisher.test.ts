import { describe, expect, test } from 'vitest';
import {
  createKernel,
  EventsError,
  isEventsError,
  type OutgoingEvent,
  PublishError,
  type Settle,
} from '../src/index.ts';
import { Probe, silent, startProbe } from './probe.ts';

const refused = (event: { type: string }) => new EventsError('EVENTS_PROBE_REFUSED', `${event.type} was refused.`);

describe('publish', () => {
  test('makes the envelope of what it is told', async () => {
    const { kernel, probe } = await startProbe({ originPrefix: 'eu.de' });
    const before = Date.now();
    const options = { key: 'k', partition: 3, headers: { a: 'b' }, correlationId: 'c', causationId: 'd' };
    const envelope = await kernel.publish('user.created', { n: 1 }, options);
    const { header } = envelope;
    expect(envelope.body).toEqual({ n: 1 });
    expect({ ...header }).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: 'user.created',
      origin: 'shop',
      timestamp: new Date(header.timestamp).toISOString(),
      originPrefix: 'eu.de',
      correlationId: 'c',
      causationId: 'd',
      key: 'k',
      headers: { a: 'b' },
    });
    expect(Date.parse(header.timestamp)).toBeGreaterThanOrEqual(before);
    expect(probe.published[0]).toMatchObject({
      topic: 'user-events',
      transport: 'probe',
      partition: 3,
      key: 'k',
      time: Date.parse(header.timestamp),
    });
  });

  test('makes the header when somebody reads it, and then once', async () => {
    let made = 0;
    const { kernel, probe } = await startProbe({
      codec: {
        name: 'counting',
        encode: ({ header }) => `${++made}${header.id}`,
        decode: () => {
          throw new Error('unused');
        },
      },
    });
    const envelope = await kernel.publish('user.created', 1);
    expect(made).toBe(0);
    expect(probe.published[0]?.payload).toBe(`1${envelope.header.id}`);
    expect(probe.published[0]?.payload).toBe(`1${envelope.header.id}`);
    expect(envelope.header).toBe(envelope.header);
  });

  test('resolves when the transport has confirmed, not before', async () => {
    const { kernel, probe } = await startProbe();
    let confirm: Settle<OutgoingEvent> = () => {};
    probe.onPublish = (_, settle) => {
      confirm = settle;
    };
    let resolved = false;
    const published = kernel.publish('user.created', 1).then(() => {
      resolved = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(resolved).toBe(false);
    expect(kernel.stats()).toMatchObject({ publishing: 1, published: 0 });
    confirm(probe.published[0] as OutgoingEvent);
    await published;
    expect(kernel.stats()).toMatchObject({ publishing: 0, published: 1 });
  });

  test.each(['at once', 'later'])('rejects with the reason of the transport, given %s, and counts it', async (when) => {
    const { kernel, probe } = await startProbe();
    const failed: unknown[] = [];
    kernel.on('publishFailed', ({ event }) => failed.push(event.type));
    probe.onPublish = (batch, settle) => {
      const refuse = () => settle(batch[0] as OutgoingEvent, refused(batch[0] as OutgoingEvent));
      if (when === 'later') setImmediate(refuse);
      else refuse();
    };
    await expect(kernel.publish('user.created', 1)).rejects.toMatchObject({ code: 'EVENTS_PROBE_REFUSED' });
    expect(kernel.stats()).toMatchObject({ publishFailed: 1, published: 0, publishing: 0 });
    expect(failed).toEqual(['user.created']);
  });

  test('rejects when the transport throws, with what it threw', async () => {
    const { kernel, probe } = await startProbe();
    probe.onPublish = () => {
      throw new Error('broken');
    };
    await expect(kernel.publish('user.created', 1)).rejects.toThrow('broken');
    expect(kernel.stats().publishing).toBe(0);
  });

  test('takes the first settlement of an event', async () => {
    const { kernel, probe } = await startProbe();
    probe.onPublish = (batch, settle) => {
      for (const event of batch) {
        settle(event);
        settle(event, new Error('late'));
      }
    };
    await kernel.publish('user.created', 1);
    expect(kernel.stats()).toMatchObject({ published: 1, publishFailed: 0, publishing: 0 });
  });

  test('never throws: it rejects', async () => {
    const kernel = createKernel({ service: 'shop', logger: silent }).use(new Probe());
    await expect(kernel.publish('user.created', 1)).rejects.toMatchObject({ code: 'EVENTS_NOT_RUNNING' });
    await kernel.start();
    await expect(kernel.publish('user.*', 1)).rejects.toMatchObject({ code: 'EVENTS_INVALID_NAME' });
    await expect(kernel.publish('user.created', 1, { transport: 'rabbit' })).rejects.toMatchObject({
      code: 'EVENTS_NO_TRANSPORT',
      message: expect.stringContaining('rabbit'),
    });
    await kernel.stop();
    await expect(kernel.publish('user.created', 1)).rejects.toMatchObject({ code: 'EVENTS_NOT_RUNNING' });
  });

  describe('with a signal', () => {
    test('that has fired publishes nothing', async () => {
      const { kernel, probe } = await startProbe();
      const publish = kernel.publish('user.created', 1, { signal: AbortSignal.abort('why') });
      await expect(publish).rejects.toMatchObject({ code: 'EVENTS_ABORTED', cause: 'why' });
      expect(probe.published).toEqual([]);
    });

    test('that fires stops waiting, and the settlement that comes later is counted', async () => {
      const { kernel, probe } = await startProbe();
      const controller = new AbortController();
      let settle: Settle<OutgoingEvent> = () => {};
      probe.onPublish = (_, given) => {
        settle = given;
      };
      const publish = kernel.publish('user.created', 1, { signal: controller.signal });
      controller.abort('enough');
      await expect(publish).rejects.toMatchObject({ code: 'EVENTS_ABORTED', cause: 'enough' });
      settle(probe.published[0] as OutgoingEvent);
      expect(kernel.stats()).toMatchObject({ publishing: 0, published: 1 });
    });
  });
});

describe('publishBatch', () => {
  test('goes out as one batch in its order, and resolves with the envelopes', async () => {
    const { kernel, probe } = await startProbe();
    const sizes: number[] = [];
    probe.onPublish = (batch, settle) => {
      sizes.push(batch.length);
      for (const event of batch.toReversed()) settle(event);
    };
    const events = ['a.x', 'b.x', 'c.x'].map((type, body) => ({ type, body, key: `k${body}` }));
    const envelopes = await kernel.publishBatch(events);
    expect(sizes).toEqual([3]);
    expect(envelopes.map(({ header, body }) => [header.type, body, header.key])).toEqual([
      ['a.x', 0, 'k0'],
      ['b.x', 1, 'k1'],
      ['c.x', 2, 'k2'],
    ]);
    expect(await kernel.publishBatch([])).toEqual([]);
    expect(sizes).toEqual([3]);
  });

  test('lists what failed and why, in order; the others are stored', async () => {
    const { kernel, probe } = await startProbe();
    probe.onPublish = (batch, settle) => {
      for (const event of batch) settle(event, event.type === 'b.x' ? refused(event) : undefined);
    };
    const types = ['a.x', 'b.x', 'not a type', 'c.x', 'b.x'];
    const error = await kernel.publishBatch(types.map((type) => ({ type, body: 1 }))).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(PublishError);
    expect(isEventsError(error) && error.code).toBe('EVENTS_PUBLISH_FAILED');
    expect(error.message).toContain('3 of 5');
    expect(error.failures).toEqual([
      { index: 1, type: 'b.x', reason: expect.objectContaining({ code: 'EVENTS_PROBE_REFUSED' }) },
      { index: 2, type: 'not a type', reason: expect.objectContaining({ code: 'EVENTS_INVALID_NAME' }) },
      { index: 4, type: 'b.x', reason: expect.objectContaining({ code: 'EVENTS_PROBE_REFUSED' }) },
    ]);
    expect(probe.published.map(({ type }) => type)).toEqual(['a.x', 'b.x', 'c.x', 'b.x']);
  });

  test('rejects before start', async () => {
    const kernel = createKernel({ service: 'shop', logger: silent }).use(new Probe());
    await expect(kernel.publishBatch([{ type: 'a.x', body: 1 }])).rejects.toMatchObject({
      code: 'EVENTS_PUBLISH_FAILED',
      cause: { code: 'EVENTS_NOT_RUNNING' },
    });
  });
});

describe('with several transports', () => {
  const startTwo = async () => {
    const first = new Probe('first');
    const second = new Probe('second');
    const kernel = createKernel({ service: 'shop', logger: silent }).use(first).use(second);
    await kernel.start();
    return { kernel, first, second };
  };

  test('an event goes to the first, or to the one that is named', async () => {
    const { kernel, first, second } = await startTwo();
    await kernel.publishBatch([
      { type: 'a.x', body: 1 },
      { type: 'b.x', body: 2, transport: 'second' },
      { type: 'c.x', body: 3 },
    ]);
    expect(first.published.map(({ type }) => type)).toEqual(['a.x', 'c.x']);
    expect(second.published.map(({ type }) => type)).toEqual(['b.x']);
  });

  test('one that throws fails its own events only', async () => {
    const { kernel, first, second } = await startTwo();
    first.onPublish = () => {
      throw new Error('broken');
    };
    const events = [
      { type: 'a.x', body: 1 },
      { type: 'b.x', body: 2, transport: 'second' },
      { type: 'c.x', body: 3, transport: 'third' },
    ];
    const error: PublishError = await kernel.publishBatch(events).catch((thrown) => thrown);
    expect(error.failures).toMatchObject([
      { index: 0, reason: { message: 'broken' } },
      { index: 2, reason: { code: 'EVENTS_NO_TRANSPORT' } },
    ]);
    expect(second.published).toHaveLength(1);
  });
});

test('topics come from the strategy, and are checked', async () => {
  const strategy = {
    prefix: 'all',
    topicOf(type: string) {
      return type === 'bad.x' ? 'no topic' : `${this.prefix}-${type}`;
    },
  };
  const { kernel, probe } = await startProbe({ topics: strategy });
  await kernel.publish('a.x', 1);
  expect(probe.published[0]?.topic).toBe('all-a.x');
  await expect(kernel.publish('bad.x', 1)).rejects.toMatchObject({ code: 'EVENTS_INVALID_NAME' });
});
