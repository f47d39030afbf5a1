import { expect, test } from 'vitest';
import { memory } from '../src/index.ts';
import { receive } from './receiver.ts';
import { kernelOn } from './scene.ts';

const refusal = { code: 'EVENTS_MEMORY_CURSOR' };

test.each([
  { none: '' },
  { none: 'newest' },
  { none: '-1' },
  { none: '1.5' },
  { none: '9'.repeat(16) },
  { none: 7 },
  { none: ['7'] },
  { none: null },
  { none: new Date(Number.NaN) },
])('$none is refused, whatever there is to begin with', async ({ none }) => {
  const transport = memory();
  const kernel = await kernelOn(transport).start();
  const { log } = transport.capabilities;
  await receive(transport, 'mail');
  await kernel.publish('a.b', 1);
  const from = none as string;
  for (const group of ['mail', 'new'])
    for (const topics of [['a-events'], ['b-events'], [], 'all'] as const)
      await expect(receive(transport, group, { topics, from })).rejects.toMatchObject(refusal);
  for (const topic of ['a-events', 'b-events']) await expect(log.read(topic, { from })).rejects.toMatchObject(refusal);
  expect(await log.topics()).toEqual(['a-events']);
});
