import { setTimeout as sleep } from 'node:timers/promises';
import { createKernel, type Logger, matches, type Transport, within } from '@logistically/events-kernel';
import { openAnalytics } from './analytics.ts';
import { openBilling } from './billing.ts';
import { readEvents, type ShopEvent, type ShopEvents } from './event.ts';
import { Progress } from './progress.ts';
import { summary } from './summary.ts';
import { Tally } from './tally.ts';

const DEADLINE_MS = 30_000;
/** How long a day of the shop lasts on a terminal, so that somebody can watch. */
const DAY_MS = 120;

/** The failures of a handler come in the summary, so they are not logged as well. */
const logger: Logger = { debug() {}, warn() {}, error: (fields, message) => console.error(message, fields) };

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** Groups the events by the day on which they happened. */
const byDay = (events: readonly ShopEvent[]): ShopEvent[][] => {
  const days = new Map<string, ShopEvent[]>();
  for (const event of events) {
    const day = event.body.at.slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), event]);
  }
  return [...days.values()];
};

/** Opens the shop on a transport, lets a week of events go through it, and prints what came of it. */
export const runShop = async (transport: Transport): Promise<void> => {
  const events = await readEvents();
  const payments = events.filter(({ type }) => type === 'payment.captured').length;
  const expected = new Map([
    // Every payment leads to an invoice, which analytics sees too.
    ['analytics', events.length + payments],
    ['billing', events.filter(({ type }) => matches('payment.*', type)).length],
  ]);
  const patterns = new Map<string, string[]>();
  const progress = new Progress(process.stdout, sum([...expected.values()]));

  let caughtUp = (): void => {};
  const finished = new Promise<void>((resolve) => {
    caughtUp = resolve;
  });
  const tally = new Tally(() => {
    const counts = [...expected].map(([group, count]) => ({ count, done: tally.group(group).done.size }));
    progress.show(sum(counts.map(({ done }) => done)));
    if (counts.every(({ count, done }) => done >= count)) caughtUp();
  });

  const kernel = createKernel<ShopEvents>({ service: 'shop', logger }).use(transport).use(tally);
  kernel.on('subscribed', ({ group, pattern }) => patterns.set(group, [...(patterns.get(group) ?? []), pattern]));
  const billing = await openBilling(kernel);
  const analytics = await openAnalytics(kernel);
  await kernel.start();
  try {
    for (const day of byDay(events)) {
      await kernel.publishBatch(
        day.map((event) => ({ ...event, key: event.body.order, correlationId: `order-${event.body.order}` })),
      );
      if (process.stdout.isTTY) await sleep(DAY_MS);
    }
    if (!(await within(finished, Date.now() + DEADLINE_MS))) {
      const missing = [...expected].map(([group, count]) => `${group} ${tally.group(group).done.size} of ${count}`);
      throw new Error(`The groups have not caught up in ${DEADLINE_MS} ms: ${missing.join(', ')}.`);
    }
    const [health, stats] = [await kernel.health(), kernel.stats()];
    const report = await kernel.stop();
    progress.clear();
    const { name } = transport;
    console.log(summary({ transport: name, billing, analytics, tally, patterns, health, stats, report }));
  } finally {
    await kernel.stop();
  }
};
