import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { type Codec, createEnvelope, type Envelope, jsonCodec, type Payload } from '@logistically/events-kernel';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';

const bytesOf = (payload: Payload): Buffer => Buffer.from(payload as Uint8Array);

const TEXTS: readonly string[] = [
  '',
  'plain',
  'Zoë – Ünïcödé – 日本語 – العربية',
  '👩‍👩‍👧‍👦 and 💥',
  'nul \u0000 bell \u0007 escape \u001b line \n\r\t separators \u2028\u2029',
  'quotes " \' ` and back\\slashes \\u0000',
  '\ud83d alone',
  '{"header":{}}',
  '__proto__',
];

const BODIES: readonly unknown[] = [
  null,
  0,
  -0.5,
  1e21,
  true,
  [],
  {},
  [[[]]],
  { a: { b: [1, 'two', null] } },
  { '': ' ' },
];

/** Sends bodies through and compares what comes out. */
const roundTrip = async (context: CaseContext, bodies: readonly unknown[]): Promise<void> => {
  const node = await context.node();
  const arrivals = await node.collect(context.type(), { group: context.group(), concurrency: 10 });
  const published = await node.publishAll(context.type(), bodies);
  await context.until(() => arrivals.done.length >= bodies.length, 'all are handled');
  for (const [index, { header }] of published.entries()) {
    const arrival = arrivals.all.find(({ envelope }) => envelope.header.id === header.id);
    assert.deepEqual(arrival?.body, bodies[index]);
  }
};

/** A codec of bytes that no text can hold: JSON between every byte from 0 to 255. */
const frame = Uint8Array.from({ length: 256 }, (_, index) => index);
const binaryCodec = (): Codec => {
  const json = jsonCodec();
  return {
    name: 'binary',
    encode: (event) => Buffer.concat([frame, bytesOf(json.encode(event)), frame]),
    decode: (payload) => {
      const bytes = bytesOf(payload);
      const [head, tail] = [bytes.subarray(0, 256), bytes.subarray(-256)];
      if (!head.equals(frame) || !tail.equals(frame))
        throw new Error(`The bytes are not what was sent: ${head.toString('hex')}`);
      return json.decode(bytes.subarray(256, -256));
    },
  };
};

/** A codec that writes nothing at all, and reads nothing as an event. */
const emptyCodec = (type: string, empty: Payload): Codec => ({
  name: 'empty',
  encode: () => empty,
  decode: (payload): Envelope => {
    if (payload.length > 0) throw new Error('Something came where nothing was sent.');
    return createEnvelope({ id: 'none', type, origin: 'none', timestamp: '1970-01-01T00:00:00.000Z' }, 'empty');
  },
});

export const payloadCases: readonly Case[] = [
  {
    id: 'payload/text',
    clause: 'contract',
    title: 'text arrives as it was sent: Unicode, emoji, NUL, line separators, lone surrogates',
    needs: ['subscribe'],
    run: (context) => roundTrip(context, TEXTS),
  },
  {
    id: 'payload/json',
    clause: 'contract',
    title: 'every JSON value arrives as it was sent',
    needs: ['subscribe'],
    run: (context) => roundTrip(context, BODIES),
  },
  {
    id: 'payload/undefined',
    clause: 'contract',
    title: 'an event without a body arrives without a body',
    needs: ['subscribe'],
    run: (context) => roundTrip(context, [undefined]),
  },
  {
    id: 'payload/large',
    clause: 'contract',
    title: 'an event of almost 1 MiB arrives whole',
    needs: ['subscribe'],
    run: (context) => roundTrip(context, [`${'ä€😀x'.repeat(100_000)}end`]),
  },
  {
    id: 'payload/binary',
    clause: 'contract',
    title: 'a codec that writes bytes gets the same bytes back',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node({ codec: binaryCodec() });
      const arrivals = await node.collect(context.type(), { group: context.group() });
      await node.publishAll(context.type(), ['one', { two: 2 }]);
      await context.until(
        () => arrivals.done.length === 2,
        () => `both are handled (undecodable: ${node.heard.undecodable?.length})`,
      );
      for (const body of ['one', { two: 2 }])
        assert(arrivals.bodies.some((arrived) => isDeepStrictEqual(arrived, body)));
    },
  },
  {
    id: 'payload/empty',
    clause: 'contract',
    title: 'an empty payload is delivered as an empty payload, of text and of bytes',
    needs: ['subscribe'],
    async run(context) {
      for (const [index, empty] of ['', new Uint8Array()].entries()) {
        const type = `${context.name}${index}.empty`;
        const node = await context.node({ codec: emptyCodec(type, empty) });
        const arrivals = await node.collect(type, { group: context.group() });
        await node.publish(type, 'ignored');
        await context.until(() => arrivals.done.length === 1, 'it is handled');
        assert.equal(node.heard.undecodable?.length, 0);
      }
    },
  },
  {
    id: 'payload/header',
    clause: 'contract',
    title: 'the handler is given type, id, key, headers, correlation, topic, partition, group, cursor and attempt',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const group = context.group();
      const arrivals = await node.collect(context.type(), { group });
      const headers = { trace: '00-ab', 'x-ünï': '☃', empty: '' };
      const options = { key: 'käse/1:{x}', headers, partition: 0, correlationId: 'c-1', causationId: 'c-0' };
      const { header } = await node.publish(context.type(), { n: 1 }, options);
      await context.until(() => arrivals.done.length === 1, 'it is handled');
      const [arrival] = arrivals.all;
      assert(arrival);
      assert.deepEqual(JSON.parse(JSON.stringify(arrival.envelope.header)), JSON.parse(JSON.stringify(header)));
      assert.equal(arrival.envelope.header.key, options.key);
      assert.equal(arrival.envelope.header.hash, header.hash);
      const { topic, partition, cursor, attempt } = arrival.context;
      assert.deepEqual(
        { topic, partition, group: arrival.context.group, attempt },
        { topic: context.topic, partition: 0, group, attempt: 1 },
      );
      assert.equal(typeof cursor, 'string');
      assert.notEqual(cursor, '');
    },
  },
];
