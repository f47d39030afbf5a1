import { expect, test, vi } from 'vitest';
import { memory } from '../src/index.ts';
import { kernelOn, turn } from './scene.ts';

test('handlers that publish one after the other do not grow the stack', async () => {
  const kernel = kernelOn(memory());
  const topics = 3000;
  let last = 0;
  await kernel.subscribe('*', (event) => {
    last = event.body as number;
    if (last < 20_000) void kernel.publish(`t${last % topics}.x`, last + 1);
  });
  await kernel.start();
  await kernel.publish('t0.x', 1);
  await vi.waitFor(() => expect(last).toBe(20_000), 20_000);
});

test('two that publish to each other for ever leave the event loop to others', async () => {
  const kernel = kernelOn(memory({ maxRetained: 10 }));
  let played = 0;
  let over = false;
  const play = (answer: string) => (): void => {
    played++;
    if (!over) void kernel.publish(answer, played);
  };
  await kernel.subscribe('game.ping', play('game.pong'));
  await kernel.subscribe('game.pong', play('game.ping'));
  await kernel.start();
  await kernel.publish('game.ping', 0);
  for (let n = 0; n < 5; n++) {
    const before = played;
    await turn();
    await turn();
    expect(played).toBeGreaterThan(before);
  }
  over = true;
});

test('a handler that fails at once and for ever leaves the event loop to others', async () => {
  const kernel = kernelOn(memory({ redeliverMs: 0 }));
  let failed = 0;
  await kernel.subscribe('a.b', () => {
    failed++;
    throw new Error('never');
  });
  await kernel.start();
  await kernel.publish('a.b', 1);
  await vi.waitFor(() => expect(failed).toBeGreaterThan(3), 20_000);
});

test('what is stored already comes after the caller has its subscription', async () => {
  const kernel = await kernelOn(memory()).start();
  await kernel.publish('a.b', 1);
  const order: string[] = [];
  await kernel.subscribe('a.b', () => void order.push('delivered'), { from: 'earliest' });
  order.push('subscribed');
  await vi.waitFor(() => expect(order).toEqual(['subscribed', 'delivered']), 20_000);
});
