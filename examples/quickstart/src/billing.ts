import type { Kernel } from '@logistically/events-kernel';
import type { ShopEvents } from './event.ts';

export interface Billing {
  /** Amount by invoice number. */
  readonly invoices: ReadonlyMap<string, number>;
  readonly refunds: ReadonlyMap<string, number>;
}

/** An order whose invoice meets a locked ledger, twice. */
const UNLUCKY = '1004';

/**
 * The group `billing`: exact patterns, and a handler that publishes. An event can come twice, so every handler writes by a key
 * of its own: the second time changes nothing.
 */
export const openBilling = async (kernel: Kernel<object, ShopEvents>): Promise<Billing> => {
  const group = 'billing';
  const invoices = new Map<string, number>();
  const refunds = new Map<string, number>();

  await kernel.subscribe(
    'payment.captured',
    async ({ body: { order, at, amount } }, { attempt }) => {
      if (order === UNLUCKY && attempt < 3) throw new Error('the ledger is locked');
      const number = `R-${order}`;
      // Carries on the correlation id of the payment, and names the payment as its cause: by itself.
      await kernel.publish('invoice.issued', { order, at, amount, number }, { key: order });
      invoices.set(number, amount);
    },
    { group },
  );

  await kernel.subscribe('payment.refunded', ({ body: { order, amount } }) => refunds.set(order, amount), { group });

  return { invoices, refunds };
};
