import type { Envelope, Kernel } from '@logistically/events-kernel';
import type { Item, ShopEvents } from './event.ts';

export interface Analytics {
  /** What has happened to each order: `order.placed`, `order.delivered` … */
  readonly orders: ReadonlyMap<string, ReadonlySet<string>>;
  /** What was ordered, by order. */
  readonly baskets: ReadonlyMap<string, readonly Item[]>;
  /** What came in on which day (`2025-03-03`), in cents, by event id. What was paid back is negative. */
  readonly takings: ReadonlyMap<string, { readonly day: string; readonly amount: number }>;
  /** Everything that one order led to: events by id, by correlation id. */
  readonly stories: ReadonlyMap<string, ReadonlyMap<string, Envelope>>;
}

/**
 * The group `analytics`: wildcards. `*` stands for one or more whole segments: `*.captured` takes payments and vouchers, `*`
 * takes all. An event goes to every handler of the group that takes it, and is done when all are done.
 */
export const openAnalytics = async (kernel: Kernel<object, ShopEvents>): Promise<Analytics> => {
  const group = 'analytics';
  const orders = new Map<string, Set<string>>();
  const baskets = new Map<string, readonly Item[]>();
  const takings = new Map<string, { day: string; amount: number }>();
  const stories = new Map<string, Map<string, Envelope>>();

  const take = (id: string, at: string, amount: number): void => {
    takings.set(id, { day: at.slice(0, 10), amount });
  };

  await kernel.subscribe(
    'order.*',
    ({ header, body }) => orders.set(body.order, (orders.get(body.order) ?? new Set()).add(header.type)),
    { group },
  );
  await kernel.subscribe('order.placed', ({ body }) => baskets.set(body.order, body.items), { group });
  await kernel.subscribe('*.captured', ({ header, body }) => take(header.id, body.at, body.amount), { group });
  await kernel.subscribe('*.refunded', ({ header, body }) => take(header.id, body.at, -body.amount), { group });
  await kernel.subscribe(
    '*',
    (event) => {
      const { id, correlationId = id } = event.header;
      stories.set(correlationId, (stories.get(correlationId) ?? new Map()).set(id, event));
    },
    { group },
  );

  return { orders, baskets, takings, stories };
};
