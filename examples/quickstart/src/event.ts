import { readFile } from 'node:fs/promises';

/** Every event of the shop by type, with its body. Amounts are in cents; `at` is when it happened, ISO 8601. */
export type ShopEvents = {
  'order.placed': About & { readonly customer: string; readonly items: readonly Item[]; readonly total: number };
  'order.cancelled': About & { readonly reason: string };
  'order.delivered': About;
  'voucher.captured': About & { readonly amount: number; readonly voucher: string };
  'payment.captured': About & { readonly amount: number; readonly method: string };
  'payment.refunded': About & { readonly amount: number; readonly reason: string };
  'shipment.dispatched': About & { readonly carrier: string; readonly parcel: string };
  'invoice.issued': About & { readonly amount: number; readonly number: string };
};

/** What every body says: which order it is about, and when it happened. */
interface About {
  readonly order: string;
  readonly at: string;
}

export interface Item {
  readonly product: string;
  readonly quantity: number;
  /** Of one piece. */
  readonly price: number;
}

/** One line of the file. */
export type ShopEvent = {
  [Type in keyof ShopEvents]: { readonly type: Type; readonly body: ShopEvents[Type] };
}[keyof ShopEvents];

/** Reads a week of the shop: one event a line, as JSON, oldest first. */
export const readEvents = async (): Promise<ShopEvent[]> => {
  const text = await readFile(new URL('../data/orders.ndjson', import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ShopEvent);
};
