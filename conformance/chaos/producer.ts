// Publishes orders until it is told to stop. A process of its own; its argument is a ProducerPlan as JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from './ledger.ts';
import { createOrder } from './order.ts';
import { Random } from './random.ts';
import { openStack } from './stack.ts';

export interface ProducerPlan {
  readonly name: string;
  readonly url: string;
  readonly directory: string;
  readonly seed: number;
  /** Events per second. */
  readonly rate: number;
}

const TICK_MS = 50;
/** Beyond that nothing new is published: the server is away. */
const MAX_OPEN = 5000;

const plan = JSON.parse(process.argv[2] ?? '') as ProducerPlan;
let isStopping = false;
process.once('message', () => {
  isStopping = true;
});
const ledger = new Ledger(plan.directory, plan.name);
const random = new Random(plan.seed);
const kernel = await openStack(plan.url);
let count = 0;
let open = 0;
let rejected = 0;

const publish = async (size: number): Promise<void> => {
  const orders = Array.from({ length: size }, () => createOrder(`${plan.name}-${++count}`, random));
  for (const { n } of orders) ledger.write({ fact: 'publish', id: n, confirmed: false });
  open += size;
  await Promise.all(
    orders.map(async (body) => {
      try {
        await kernel.publish('order.placed', body);
        ledger.write({ fact: 'publish', id: body.n, confirmed: true });
      } catch {
        rejected++;
      } finally {
        open--;
      }
    }),
  );
};

process.send?.({ ready: true });
const begin = Date.now();
while (!isStopping) {
  const due = Math.floor(((Date.now() - begin) / 1000) * plan.rate) - count;
  // After a pause there is no hurry to make up for it.
  if (due > 0 && open < MAX_OPEN) void publish(Math.min(due, plan.rate));
  await sleep(TICK_MS);
}
const report = await kernel.stop(20_000);
process.send?.({ published: count - rejected, rejected, ...report });
process.disconnect();
