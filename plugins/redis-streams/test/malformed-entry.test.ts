import { type RedisService, redis } from '@logistically/events-conformance/services';
import type { Envelope, Payload } from '@logistically/events-kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode } from './node.ts';
import { rawXadd } from './raw-producer.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

let server: RedisService;
beforeAll(async () => {
  server = await redis({ exclusive: true });
});
afterAll(() => server.stop());

let count = 0;
const newPrefix = (): string => `malformed-${++count}`;

const header = '"id":"1","type":"order.placed","origin":"elsewhere","timestamp":"2020-01-01T00:00:00.000Z"';
const event = `{"header":{${header}},"body":{"n":1}}`;
const INVALID = Buffer.from([0x7b, 0xc3, 0x28, 0xff, 0xfe, 0x00, 0x7d]);
const big = `{"header":{${header}},"body":"${'x'.repeat(2 * 1024 * 1024)}"}`;
const manyFields = Array.from({ length: 40_000 }, (_, index) => `f${index}`);

/** Entries by what is wrong with them: their fields, and the payload that is reported. */
const entries: readonly [string, readonly (string | Uint8Array)[], Payload][] = [
  ['no JSON', ['e', '{"header":'], '{"header":'],
  ['an empty value', ['e', ''], ''],
  ['an empty field', ['', ''], '["",""]'],
  ['JSON null', ['e', 'null'], 'null'],
  ['a JSON list', ['e', '[1,2]'], '[1,2]'],
  ['text behind the JSON', ['e', `${event} x`], `${event} x`],
  ['no header', ['e', '{"body":1}'], '{"body":1}'],
  ['a header without id', ['e', '{"header":{"type":"order.placed"}}'], '{"header":{"type":"order.placed"}}'],
  ['a number as type', ['e', event.replace('"order.placed"', '7')], event.replace('"order.placed"', '7')],
  ['no field of ours', ['user', '7', 'name', 'Ann'], '["user","7","name","Ann"]'],
  ['the event in a field of another name', ['event', event], JSON.stringify(['event', event])],
  ['our field as a value', ['x', 'e'], '["x","e"]'],
  ['bytes that are no base64', ['b', '%%% no base64 %%%'], '["b","%%% no base64 %%%"]'],
  ['base64 that is cut off', ['b', 'A'], '["b","A"]'],
  ['bytes that are no event', ['b', INVALID.toString('base64')], INVALID],
  ['invalid UTF-8', ['e', INVALID], INVALID],
  ['invalid UTF-8 in a field of another name', [INVALID, 'x'], Buffer.concat([INVALID, Buffer.from('x')])],
  ['a NUL in the JSON', ['e', `${event}\0`], `${event}\0`],
  [
    'a key __proto__',
    ['e', `{"header":{${header}},"body":{"__proto__":{"poisoned":true}}}`],
    `{"header":{${header}},"body":{"__proto__":{"poisoned":true}}}`,
  ],
  [
    'a key __proto__ in the header',
    ['e', `{"header":{${header},"__proto__":{"poisoned":true}},"body":1}`],
    `{"header":{${header},"__proto__":{"poisoned":true}},"body":1}`,
  ],
  [
    'a key constructor.prototype',
    ['e', `{"header":{${header}},"body":{"constructor":{"prototype":{"poisoned":true}}}}`],
    `{"header":{${header}},"body":{"constructor":{"prototype":{"poisoned":true}}}}`,
  ],
  [
    '10 000 levels of lists',
    ['e', `{"header":{${header}},"body":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    `{"header":{${header}},"body":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
  ],
  [
    '10 000 levels of objects',
    ['e', `{"header":{${header}},"body":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`],
    `{"header":{${header}},"body":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`,
  ],
  ['2 MiB', ['e', big], big],
  ['20 000 fields', manyFields, JSON.stringify(manyFields)],
];

const hex = (payload: Payload): string => Buffer.from(payload as string).toString('hex');

describe.concurrent('an entry that is no event', () => {
  test.each(entries)('%s: reported raw, settled, and the next event is handled', async (_, fields, payload) => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    const cursor = await rawXadd(server, state.keys.stream('order-events', 0), fields);
    await trail.publish(node.kernel, 'order.placed', 1);
    await until(() => trail.complete, 'the next event is handled');

    const [reported, ...more] = node.hears('undecodable');
    expect(more).toEqual([]);
    expect(reported).toMatchObject({
      delivery: { cursor, topic: 'order-events' },
      reason: { code: 'EVENTS_UNDECODABLE' },
    });
    const raw = reported?.delivery.payload as Payload;
    expect(typeof raw).toBe(typeof payload);
    // Compared as text: a difference of megabytes is not to be printed.
    expect(hex(raw) === hex(payload)).toBe(true);
    expect(trail.calls).toHaveLength(1);
    expect(({} as { poisoned?: boolean }).poisoned).toBeUndefined();
    await state.whenSettled('order-events');
    expect(await state.length('order-events')).toBe(2);
  });

  test('all kinds of them in one stream, read at once: every one is reported, every event handled', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('order.*', trail.handler('consumer'), { from: 'earliest', group: 'early' });
    await node.kernel.subscribe('order.*', trail.handler('consumer'), { concurrency: 100, from: 'earliest' });
    for (const [index, [, fields]] of entries.entries()) {
      await rawXadd(server, state.keys.stream('order-events', 0), fields);
      await trail.publish(node.kernel, 'order.placed', index);
    }
    await until(() => trail.complete, 'all events are handled');
    await until(() => node.hears('undecodable').length === 2 * entries.length, 'all entries are reported');
    for (const group of ['early', 'shop']) await state.whenSettled('order-events', group);
  });

  test('an odd number of fields is refused by Redis itself', async () => {
    await expect(rawXadd(server, 'odd', ['e', event, 'x'])).rejects.toThrow(/wrong number of arguments/);
  });
});

describe.concurrent('an entry that only looks strange', () => {
  const strange: readonly [string, string][] = [
    ['U+FFFD', 'a \uFFFD b'],
    ['a NUL', 'a \0 b'],
    ['four-byte characters', '🛒🧾'],
    ['a lone surrogate', 'a \uD800 b'],
    ['separators and a line end', '\u2028\u2029\r\n'],
    ['text that looks like a reply', '$5\r\nhello\r\n*2\r\n'],
  ];
  test.each(strange)('%s in a body: passes as it is', async (_, text) => {
    const prefix = newPrefix();
    await using node = await startNode({ url: server.url, prefix });
    const bodies: unknown[] = [];
    await node.kernel.subscribe('order.*', ({ body }) => bodies.push(body));
    await node.kernel.publish('order.placed', { text });
    await until(() => bodies.length > 0, 'it is handled');
    expect(bodies).toEqual([{ text }]);
    expect(node.hears('undecodable')).toEqual([]);
  });

  test('an event of a foreign producer with fields beside it', async () => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    await using node = await startNode({ url: server.url, prefix });
    const envelopes: Envelope[] = [];
    await node.kernel.subscribe('order.*', (envelope) => envelopes.push(envelope));
    await rawXadd(server, state.keys.stream('order-events', 0), ['trace', '1', 'e', event, '__proto__', 'x']);
    await until(() => envelopes.length > 0, 'it is handled');
    expect(envelopes).toMatchObject([{ header: { id: '1', origin: 'elsewhere' }, body: { n: 1 } }]);
    await state.whenSettled('order-events');
  });
});

describe.concurrent('a pending entry that is removed from the stream', () => {
  const removals: readonly [string, (stream: string, id: string) => string[]][] = [
    ['deleted', (stream, id) => ['XDEL', stream, id]],
    ['trimmed', (stream) => ['XTRIM', stream, 'MAXLEN', '0']],
  ];

  test.each(removals)('%s while its consumer is dead: does not stay pending', async (_, removal) => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const stream = state.keys.stream('order-events', 0);
    await server.cli('XGROUP', 'CREATE', stream, 'shop', '$', 'MKSTREAM');
    const ids = [await rawXadd(server, stream, ['e', event]), await rawXadd(server, stream, ['e', event])];
    await server.cli('XREADGROUP', 'GROUP', 'shop', 'dead', 'STREAMS', stream, '>');
    for (const id of ids) await server.cli(...removal(stream, id));
    expect(await state.pending('order-events')).toBe(2);

    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe('order.*', trail.handler('consumer'));
    await state.whenSettled('order-events');
    await trail.publish(node.kernel, 'order.placed', 2);
    await until(() => trail.complete, 'the loop is alive');
    expect(trail.calls.map(({ n }) => n)).toEqual([2]);
  });

  test.each(removals)('%s while it waits for its next attempt: does not stay pending', async (_, removal) => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const stream = state.keys.stream('order-events', 0);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix, redeliverMs: 1000 });
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', (n) => {
        if (n === 1) throw new Error('fails');
      }),
    );
    await trail.publish(node.kernel, 'order.placed', 1);
    await until(async () => (await state.pendingByConsumer('order-events'))['~retries'] === 1, 'it waits');
    const cursor = trail.calls[0]?.context.cursor as string;
    await server.cli(...removal(stream, cursor));
    await state.whenSettled('order-events');
    expect(await server.cli('ZCARD', state.keys.retries('order-events', 0, 'shop'))).toBe(0);
    await trail.publish(node.kernel, 'order.placed', 2);
    await until(() => trail.done.includes(2), 'the loop is alive');
    expect(trail.calls.map(({ n }) => n)).toEqual([1, 2]);
  });

  test.each(removals)('%s while it is handled: is settled as any other', async (_, removal) => {
    const prefix = newPrefix();
    const state = new State(server, prefix);
    const stream = state.keys.stream('order-events', 0);
    const trail = new Trail();
    await using node = await startNode({ url: server.url, prefix });
    await node.kernel.subscribe(
      'order.*',
      trail.handler('consumer', async (n, { cursor }) => {
        await server.cli(...removal(stream, cursor));
        if (n === 2) throw new Error('fails after it is gone');
      }),
    );
    await trail.publish(node.kernel, 'order.placed', 1);
    await until(() => trail.done.includes(1), 'it is handled');
    await trail.publish(node.kernel, 'order.placed', 2);
    await until(() => node.hears('failed').length === 1, 'the next one fails');
    await state.whenSettled('order-events');
    await trail.publish(node.kernel, 'order.placed', 3);
    await until(() => trail.done.includes(3), 'the loop is alive');
  });
});
