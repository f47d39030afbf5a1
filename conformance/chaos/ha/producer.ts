// Publishes to all partitions in turn until it is told to stop. A process of its own; its argument is a ProducerPlan as JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import { isEventsError } from '@logistically/events-kernel';
import { now } from '../clock.ts';
import { type BusPlan, createBus, type Notes } from './bus.ts';
import { keyOf, PARTITIONS, type Publication } from './load.ts';

export interface ProducerPlan extends BusPlan {
  /** Events per second. */
  readonly rate: number;
}

export interface ProducerReport {
  readonly publications: readonly Publication[];
  /** When it stopped publishing, in ms on the clock of the machine. */
  readonly endedAt: number;
  readonly notes: Notes;
}

const TICK_MS = 10;
/** What it makes up for after a pause, in ticks. */
const MAX_TICKS = 10;
const BEAT_MS = 50;

const plan = JSON.parse(process.argv[2] ?? '') as ProducerPlan;
const { bus, notes } = createBus(plan);
const publications: Publication[] = [];
const next = new Array<number>(PARTITIONS).fill(0);
/** By partition: when the latest event was published that is confirmed. */
const beat = new Array<number>(PARTITIONS).fill(0);
let isStopping = false;
process.once('message', () => {
  isStopping = true;
});

const publish = async (p: number): Promise<void> => {
  const n = next[p] as number;
  next[p] = n + 1;
  const tick = { p, n, at: now() };
  let code: string | undefined;
  try {
    await bus.publish(plan.type, tick, { partition: p, key: keyOf(tick) });
    beat[p] = Math.max(beat[p] as number, tick.at);
  } catch (thrown) {
    code = isEventsError(thrown) ? thrown.code : String(thrown);
  }
  publications.push({ ...tick, settledAt: now(), ...(code !== undefined && { code }) });
};

await bus.start();
process.send?.({ ready: true });
const beating = setInterval(() => process.send?.({ beat: { published: beat } }), BEAT_MS);
const open = new Set<Promise<void>>();
const most = Math.ceil((plan.rate * TICK_MS * MAX_TICKS) / 1000);
let due = 0;
let count = 0;
for (let before = now(); !isStopping; ) {
  const moment = now();
  due = Math.min(due + ((moment - before) / 1000) * plan.rate, most);
  before = moment;
  for (; due >= 1; due--) {
    const publishing = publish(count++ % PARTITIONS).finally(() => open.delete(publishing));
    open.add(publishing);
  }
  await sleep(TICK_MS);
}
const endedAt = now();
await Promise.all(open);
clearInterval(beating);
await bus.stop(5000);
const report: ProducerReport = { publications, endedAt, notes };
// It is large: only when it has left the process may the channel be closed.
process.send?.({ report }, () => process.disconnect());
