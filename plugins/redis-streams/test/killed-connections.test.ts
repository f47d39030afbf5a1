import { setTimeout as sleep } from 'node:timers/promises';
import { redis } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const KILLING_MS = 20_000;
const EVERY_MS = 200;
const ENTITIES = ['order', 'bill', 'parcel', 'refund', 'stock'];
const GROUPS = ['narrow', 'wide', 'sequence'];

test('all connections killed every 200 ms for 20 s, under load: nothing is lost, nothing stays pending, order is kept', {
  timeout: 60_000,
}, async () => {
  await using server = await redis({ exclusive: true });
  const state = new State(server);
  const trail = new Trail(GROUPS);
  await using publisher = await startNode({ url: server.url });
  await using one = await startNode({ url: server.url });
  await using two = await startNode({ url: server.url });
  for (const [name, { kernel }] of Object.entries({ one, two }))
    for (const entity of ENTITIES)
      await kernel.subscribe(
        `${entity}.*`,
        trail.handler(`narrow-${name}`, () => sleep(2)),
        { group: 'narrow', concurrency: 10 },
      );
  await one.kernel.subscribe(
    '*.placed',
    trail.handler('wide', () => sleep(1)),
    { group: 'wide', concurrency: 2 },
  );
  await two.kernel.subscribe('*.placed', trail.handler('sequence'), { group: 'sequence' });

  let n = 0;
  let running = true;
  const publishing = (async () => {
    const open = new Set<Promise<unknown>>();
    while (running) {
      for (const entity of ENTITIES) {
        const published = trail
          .publish(publisher.kernel, `${entity}.placed`, ++n)
          .finally(() => open.delete(published));
        open.add(published);
      }
      if (open.size > 1000) await Promise.race(open);
      await sleep(15);
    }
    await Promise.all(open);
  })();
  await until(() => trail.done.length > 100, 'events flow');
  let killed = 0;
  const end = Date.now() + KILLING_MS;
  while (Date.now() < end) {
    killed += Number(await server.cli('CLIENT', 'KILL', 'TYPE', 'normal'));
    await sleep(EVERY_MS);
  }
  running = false;
  await publishing;
  expect(killed).toBeGreaterThan(100);

  await until(
    () => trail.complete,
    () => trail.check({ limit: 5 }),
    15_000,
  );
  const { lost, phantom, reordered, published } = trail.check({ order: 'start' });
  expect([lost.count, phantom.count]).toEqual([0, 0]);
  // The others work on several at a time.
  expect(reordered.examples.filter(({ group }) => group === 'sequence')).toEqual([]);
  expect(published).toBeGreaterThan(1000);
  for (const entity of ENTITIES)
    for (const group of GROUPS)
      await until(
        async () => (await state.pending(`${entity}-events`, group)) === 0,
        `${group} has nothing of ${entity}`,
      );
  for (const node of [publisher, one, two]) {
    await until(
      async () => (await node.kernel.health()).healthy,
      () => node.kernel.health(),
    );
    expect(node.hears('error')).toEqual([]);
    expect(node.hears('settledTwice')).toEqual([]);
  }
});
