import { expect, test } from 'vitest';
import { readEvents, type ShopEvents } from '../src/event.ts';

const events = await readEvents();

const ofType = <Type extends keyof ShopEvents>(type: Type): ShopEvents[Type][] =>
  events.filter((event) => event.type === type).map(({ body }) => body as ShopEvents[Type]);

const amounts = (bodies: readonly { order: string; amount: number }[], order: string): number =>
  bodies.filter((body) => body.order === order).reduce((sum, { amount }) => sum + amount, 0);

test('the events lie in the order in which they happened', () => {
  const times = events.map(({ body }) => body.at);
  expect(times).toEqual(times.toSorted());
  expect(times.map((time) => new Date(time).toISOString().replace('.000', ''))).toEqual(times);
});

test('every order begins by being placed, once', () => {
  const placed = ofType('order.placed').map(({ order }) => order);
  expect(new Set(placed).size).toBe(placed.length);
  for (const order of new Set(events.map(({ body }) => body.order)))
    expect(events.find(({ body }) => body.order === order)?.type).toBe('order.placed');
});

test('the total of an order is the sum of its items, and a product has one price', () => {
  const prices = new Map<string, number>();
  for (const { items, total } of ofType('order.placed')) {
    expect(items.reduce((sum, { quantity, price }) => sum + quantity * price, 0)).toBe(total);
    for (const { product, price } of items) {
      expect(prices.get(product) ?? price).toBe(price);
      prices.set(product, price);
    }
  }
});

test('what was dispatched was paid, by card or voucher, to the cent; nobody is paid back more than that', () => {
  const paid = [...ofType('payment.captured'), ...ofType('voucher.captured')];
  const totals = new Map(ofType('order.placed').map(({ order, total }) => [order, total]));
  for (const { order } of ofType('shipment.dispatched')) expect(amounts(paid, order)).toBe(totals.get(order));
  for (const { order, amount } of ofType('payment.refunded')) expect(amount).toBeLessThanOrEqual(amounts(paid, order));
});

test('a parcel is delivered after it was dispatched, and never for a cancelled order', () => {
  const dispatched = new Map(ofType('shipment.dispatched').map(({ order, at }) => [order, at]));
  for (const { order, at } of ofType('order.delivered')) expect(at > (dispatched.get(order) ?? at)).toBe(true);
  for (const { order } of ofType('order.cancelled')) expect(dispatched.has(order)).toBe(false);
});
