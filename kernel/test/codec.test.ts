import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { byteLength, createEnvelope, type EventsError, isEventsError, jsonCodec, type Payload } from '../src/index.ts';
import { startProbe } from './probe.ts';

const header = { id: 'i', type: 'user.created', origin: 'o', timestamp: '2025-01-01T00:00:00.000Z' };
const codec = jsonCodec();

const refusal = (payload: Payload, by = codec): EventsError => {
  try {
    by.decode(payload);
  } catch (thrown) {
    if (isEventsError(thrown)) return thrown;
  }
  throw new Error('it was decoded');
};

/** What a kernel publishes, as its payload. */
const encode = async (body: unknown, options = {}): Promise<string> => {
  const { kernel, probe } = await startProbe({ originPrefix: 'eu.de' });
  await kernel.publish('user.created', body, options);
  return probe.published[0]?.payload as string;
};

const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const entry = (body: string, extra = ''): string =>
  `{"header":${JSON.stringify(header).slice(0, -1)}${extra}},"body":${body}}`;

describe('what is published is read again', () => {
  test('with any JSON as its body and any text in its header', async () => {
    const { kernel, probe } = await startProbe();
    const anything = fc.record({
      body: fc.jsonValue(),
      key: fc.string({ unit: 'binary' }),
      headers: fc.dictionary(
        fc.string().filter((name) => name !== '__proto__'),
        fc.string(),
      ),
      correlationId: fc.string(),
    });
    await fc.assert(
      fc.asyncProperty(anything, async ({ body, ...options }) => {
        const json = JSON.stringify(body);
        fc.pre(!/__proto__|prototype/.test(json));
        const { header } = await kernel.publish('user.created', body, options);
        const event = codec.decode(probe.published.at(-1)?.payload as Payload);
        expect(JSON.stringify(event.body)).toBe(json);
        expect(event.header).toEqual(header);
      }),
    );
  });

  test.each([undefined, null, 0, '', false, [], 'ü – 日本 – 😀 \u2028 \u0000 "\\'])('%j', async (body) => {
    const payload = await encode(body);
    const event = codec.decode(payload);
    expect(event.body).toEqual(body);
    expect(codec.decode(new TextEncoder().encode(payload)).body).toEqual(body);
  });

  test('an undefined body is no body', async () => {
    expect(JSON.parse(await encode(undefined))).toEqual({ header: expect.anything() });
    expect(codec.decode(await encode(() => {})).body).toBeNull();
  });

  test('as plain JSON: an entry can be read without the library', async () => {
    const payload = await encode({ n: 1 }, { key: 'k"', headers: { a: '\n' }, correlationId: '\\' });
    expect(JSON.parse(payload)).toEqual({
      header: {
        id: expect.any(String),
        type: 'user.created',
        origin: 'shop',
        timestamp: expect.any(String),
        originPrefix: 'eu.de',
        correlationId: '\\',
        key: 'k"',
        headers: { a: '\n' },
      },
      body: { n: 1 },
    });
  });

  test('an envelope of foreign making too, escaped', () => {
    const strange = { ...header, id: '"},"body":"x', origin: '\\"' };
    const event = codec.decode(codec.encode(createEnvelope(strange, { a: 1 })));
    expect(event.header).toMatchObject(strange);
    expect(event.body).toEqual({ a: 1 });
  });
});

describe('is no event', () => {
  test.each<[string, Payload]>([
    ['empty text', ''],
    ['no JSON', '{'],
    ['JSON with a tail', `${entry('1')}x`],
    ['no object', 'null'],
    ['a number', '7'],
    ['an array', '[]'],
    ['no header', '{"body":1}'],
    ['a header of null', '{"header":null,"body":1}'],
    ['a header of text', '{"header":"x","body":1}'],
    ['no id', '{"header":{"type":"a","origin":"o","timestamp":"t"}}'],
    ['a type of another kind', '{"header":{"id":"i","type":1,"origin":"o","timestamp":"t"}}'],
    ['invalid UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['UTF-8 cut off', new TextEncoder().encode(entry('"ä"')).subarray(0, -4)],
    [
      'a surrogate as UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
  ])('%s', (_, payload) => {
    expect(refusal(payload)).toMatchObject({ code: 'EVENTS_UNDECODABLE', permanent: true });
  });

  test.each([
    entry('{"__proto__":{"admin":true}}'),
    entry('{"a":[{"__proto__":1}]}'),
    entry('{"\\u005f_proto__":{"admin":true}}'),
    entry('{"__prot\\u006f__":{}}'),
    entry('{"constructor":{"prototype":{"admin":true}}}'),
    entry('{"constructor":{"proto\\u0074ype":{}}}'),
    entry('1', ',"__proto__":{"originPrefix":"x"}'),
    entry('1', ',"headers":{"__proto__":"x"}'),
    `{"__proto__":{},${entry('1').slice(1)}`,
  ])('what would poison a prototype: %s', (payload) => {
    expect(refusal(payload)).toMatchObject({ code: 'EVENTS_UNDECODABLE' });
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test.each<unknown>([
    { text: '__proto__' },
    { prototype: 'mark II' },
    { constructor: 'Zaha Hadid' },
    { constructor: { name: 'x' } },
    { prototype: { constructor: 1 } },
    { text: '\u0000\u001f' },
  ])('but a body that only looks like it is one: %j', async (body) => {
    expect(codec.decode(await encode(body)).body).toEqual(body);
  });

  test.each([
    ['10 000 levels of arrays', nest(10_000)],
    ['10 000 levels of objects', '{"a":'.repeat(10_000) + 1 + '}'.repeat(10_000)],
    ['257 levels in all', nest(256)],
  ])('%s', (_, body) => {
    expect(refusal(entry(body))).toMatchObject({
      code: 'EVENTS_UNDECODABLE',
      message: expect.stringContaining('maxDepth'),
    });
  });

  test('but 256 levels are, and brackets in a text are no levels', () => {
    expect(codec.decode(entry(nest(255))).body).toBeTruthy();
    expect(codec.decode(entry(JSON.stringify('[{'.repeat(1000)))).body).toHaveLength(2000);
    expect(codec.decode(entry(`[${'{},'.repeat(1000)}{}]`)).body).toHaveLength(1001);
  });

  test('what is larger than maxBytes, counted in bytes', () => {
    const payload = entry('"äöü"');
    expect(byteLength(payload)).toBe(payload.length + 3);
    expect(jsonCodec({ maxBytes: payload.length + 3 }).decode(payload).body).toBe('äöü');
    for (const form of [payload, new TextEncoder().encode(payload)])
      expect(refusal(form, jsonCodec({ maxBytes: payload.length + 2 }))).toMatchObject({ code: 'EVENTS_UNDECODABLE' });
  });

  test('and the error shows nothing of it', () => {
    for (const payload of ['{"secret', entry('{"__proto__":"secret"}'), '{"header":{"id":"secret"}}']) {
      const error = refusal(payload);
      expect(`${error.message} ${error.cause}`).not.toContain('secret');
    }
  });
});

describe('a foreign header', () => {
  test('may have null for what is absent, and more than is known', () => {
    const foreign = { ...header, key: null, originPrefix: null, hash: 'theirs', version: 3 };
    const event = codec.decode(JSON.stringify({ header: foreign, body: { b: 1, a: 2 } }));
    expect({ ...event.header }).toEqual(header);
    expect(event.header.hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('cannot be written', () => {
  test.each([
    ['a cycle', () => Object.assign([], { 0: [] as unknown[] })],
    ['a BigInt', () => ({ n: 1n })],
    ['a key that poisons prototypes', () => JSON.parse('{"a":{"__proto__":{"admin":true}}}')],
    ['nesting that no consumer reads', () => JSON.parse(nest(300))],
    ['nesting that exhausts the stack', () => JSON.parse(nest(10_000))],
    [
      'a toJSON that throws',
      () => ({
        toJSON: () => {
          throw new Error('no');
        },
      }),
    ],
  ])('%s', async (name, make) => {
    const body = make();
    if (name === 'a cycle') body[0].push(body);
    await expect(encode(body)).rejects.toMatchObject({ code: 'EVENTS_NOT_ENCODABLE', permanent: true });
  });

  test('more than maxBytes, and the error says the type and the limit', async () => {
    const { kernel, probe } = await startProbe({ codec: jsonCodec({ maxBytes: 200 }) });
    await kernel.publish('user.created', 'ä'.repeat(10));
    expect(byteLength(probe.published[0]?.payload as Payload)).toBeLessThanOrEqual(200);
    await kernel.publish('user.created', 'ä'.repeat(50));
    expect(() => probe.published[1]?.payload).toThrow(
      expect.objectContaining({ code: 'EVENTS_TOO_LARGE', message: expect.stringMatching(/user\.created.*200/) }),
    );
  });
});
