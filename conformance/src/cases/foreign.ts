import assert from 'node:assert/strict';
import { type Codec, type Delivery, isEventsError, type Payload } from '@logistically/events-kernel';
import type { Case } from '../case.ts';
import type { CaseContext } from '../context.ts';

const header = '"id":"1","type":"x","origin":"o","timestamp":"2020-01-01T00:00:00.000Z"';

/** What a foreign producer may write. None of it is an event. */
const MALFORMED: Readonly<Record<string, Payload>> = {
  'no JSON': 'not JSON {',
  'an empty text': '',
  'JSON that is no event': '[1,2,3]',
  'a header with fields missing': '{"header":{"type":"x"},"body":1}',
  'a header of another type': '{"header":"x"}',
  null: 'null',
  'invalid UTF-8': Uint8Array.from([0xc3, 0x28, 0xff, 0xfe, 0x00]),
  'a cut-off text': '{"header":{"id":"1","ty',
};

const HOSTILE: Readonly<Record<string, Payload>> = {
  'a key __proto__': `{"header":{${header}},"body":{"__proto__":{"poisoned":true}}}`,
  'an escaped key __proto__': `{"header":{${header}},"body":{"\\u005f_proto__":{"poisoned":true}}}`,
  'a key constructor.prototype': `{"header":{${header}},"body":{"constructor":{"prototype":{"poisoned":true}}}}`,
  'a poisoned header': `{"header":{${header},"__proto__":{"poisoned":true}},"body":1}`,
  '10 000 levels': `{"header":{${header}},"body":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
};

const writing = (payload: Payload): Codec => ({
  name: 'foreign',
  encode: () => payload,
  decode: () => {
    throw new Error('Not read here.');
  },
});

/** Writes entries between two events; both events are handled, every entry is reported once, raw. */
const survives = async (context: CaseContext, entries: Readonly<Record<string, Payload>>): Promise<void> => {
  const group = context.group();
  const node = await context.node();
  const arrivals = await node.collect(context.type(), { group });
  await node.publish(context.type(), 'before');
  for (const payload of Object.values(entries)) {
    const foreign = await context.node({ codec: writing(payload) });
    await foreign.publish(context.type(), 'ignored');
    await foreign.stop();
  }
  await node.publish(context.type(), 'after');
  await context.until(() => arrivals.done.includes('after'), 'the loop goes on to the event after them');
  const reported = node.heard.undecodable ?? [];
  await context.until(
    () => reported.length >= Object.keys(entries).length,
    () => `all are reported: ${reported.length}`,
  );
  await context.quiet();
  assert.deepEqual(arrivals.bodies, ['before', 'after']);
  const raw = reported.map(({ delivery }: { delivery: Delivery }) =>
    Buffer.from(delivery.payload as Uint8Array).toString('hex'),
  );
  const expected = Object.values(entries).map((payload) => Buffer.from(payload as Uint8Array).toString('hex'));
  assert.deepEqual(raw.toSorted(), expected.toSorted(), 'each is reported once, as it was written');
  for (const { reason } of reported) assert(isEventsError(reason) && reason.code === 'EVENTS_UNDECODABLE');
  assert.equal(({} as { poisoned?: boolean }).poisoned, undefined);
  if (!context.claims.has('inspect') || !context.claims.has('groups')) return;
  await context.until(async () => {
    const { partitions } = await node.can('inspect').topic(context.topic);
    return partitions.every(({ groups }) => groups.every((state) => state.group !== group || state.pending === 0));
  }, 'nothing is pending');
};

export const foreignCases: readonly Case[] = [
  {
    id: 'foreign/malformed',
    clause: 'C5',
    title: 'entries that are no events are reported raw, once each; the loop goes on, nothing stays pending',
    needs: ['subscribe'],
    run: (context) => survives(context, MALFORMED),
  },
  {
    id: 'foreign/hostile',
    clause: 'C5',
    title: 'entries that would poison a prototype or exhaust a stack are reported raw; the loop goes on',
    needs: ['subscribe'],
    run: (context) => survives(context, HOSTILE),
  },
];
