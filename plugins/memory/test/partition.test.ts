import { expect, test } from 'vitest';
import { memory } from '../src/index.ts';
import { receive } from './receiver.ts';
import { kernelOn } from './scene.ts';

const NONE: readonly unknown[] = [2, -1, 0.5, Number.NaN, '0', 'length', null, {}];
const refusal = { code: 'EVENTS_MEMORY_PARTITION', permanent: true };

test.each(NONE)('an event to partition %s is refused, and makes no topic', async (none) => {
  const transport = memory({ partitions: 2 });
  const kernel = await kernelOn(transport).start();
  const { log } = transport.capabilities;
  const partition = none as number;
  await expect(kernel.publish('a.b', 1, { partition })).rejects.toMatchObject(refusal);
  expect(await log.topics()).toEqual([]);
  await kernel.publish('a.b', 1);
  expect(await log.read('a-events', { partition })).toEqual([]);
});

test.each([{ partitions: [] }, { partitions: 'all' }, ...NONE.map((each) => ({ partitions: [0, each] }))])(
  'a subscription to $partitions is refused, and makes no topic',
  async ({ partitions }) => {
    const transport = memory({ partitions: 2 });
    await kernelOn(transport).start();
    for (const topics of [['a-events'], 'all'] as const)
      await expect(receive(transport, 'mail', { topics, partitions: partitions as number[] })).rejects.toMatchObject(
        refusal,
      );
    expect(await transport.capabilities.log.topics()).toEqual([]);
  },
);
