import { describe, expect, test } from 'vitest';
import { createKernel, type EventBus, PublishError } from '../src/index.ts';
import { Probe, silent, startProbe } from './probe.ts';

// What the compiler refuses, JavaScript sends all the same: it gets an error of ours, and no TypeError.

const code = (code: string) => expect.objectContaining({ name: 'EventsError', code });
const noNames = [undefined, null, 7, {}, [], Symbol('x'), Object.create(null)];

test.each([undefined, null, 'shop', 7])('createKernel(%j)', (options) => {
  expect(() => createKernel(options as never)).toThrow(code('EVENTS_INVALID_NAME'));
});

test.each([undefined, null, 7, 'memory', {}, { kind: 'constructor', name: 'x' }, { kind: 'transport' }])(
  'use(%j)',
  (plugin) => {
    const kernel = createKernel({ service: 'shop', logger: silent }).use(new Probe());
    expect(() => kernel.use(plugin as never)).toThrow(code('EVENTS_CONFIG'));
  },
);

test('a plugin named by no text', () => {
  const kernel = createKernel({ service: 'shop', logger: silent });
  expect(() => kernel.use({ kind: 'middleware', name: Symbol('x') as never })).toThrow(code('EVENTS_CONFIG'));
});

describe.each<[string, (kernel: EventBus, name: never) => Promise<unknown>]>([
  ['publish', (kernel, type) => kernel.publish(type, 1)],
  ['publish with a spent signal', (kernel, type) => kernel.publish(type, 1, { signal: AbortSignal.abort() })],
  ['subscribe', (kernel, pattern) => kernel.subscribe(pattern, () => {})],
])('%s', (_, call) => {
  test.each(noNames)('rejects what is no text: %o', async (name) => {
    const { kernel } = await startProbe();
    await expect(call(kernel, name as never)).rejects.toEqual(code('EVENTS_INVALID_NAME'));
  });
});

test('options that are null are none', async () => {
  const { kernel, probe } = await startProbe();
  await kernel.subscribe('a.x', () => {}, null as never);
  await kernel.publish('a.x', 1, null as never);
  expect([probe.subscriptions.length, probe.published.length]).toEqual([1, 1]);
});

describe('publishBatch', () => {
  test.each([undefined, null, 7, 'a.x', {}])('rejects %j', async (events) => {
    const { kernel } = await startProbe();
    await expect(kernel.publishBatch(events as never)).rejects.toEqual(code('EVENTS_CONFIG'));
  });

  test('rejects each that is no event by itself, holes too, and publishes the others', async () => {
    const { kernel, probe } = await startProbe();
    const events: unknown[] = [{ type: 'a.x', body: 1 }, null, undefined, 7, { type: Symbol('x'), body: 1 }];
    events[6] = { type: 'b.x', body: 1 };
    const error = await kernel.publishBatch(events as never).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(PublishError);
    expect(error.message).toContain('5 of 7');
    expect(error.failures.map(({ index }: { index: number }) => index)).toEqual([1, 2, 3, 4, 5]);
    for (const { reason } of error.failures) expect(reason).toEqual(code('EVENTS_INVALID_NAME'));
    expect(probe.published.map(({ type }) => type)).toEqual(['a.x', 'b.x']);
  });
});
