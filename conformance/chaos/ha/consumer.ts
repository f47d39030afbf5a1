// Takes what comes in two groups until it is told to stop. A process of its own; its argument is a ConsumerPlan as JSON.
import { now } from '../clock.ts';
import { type BusPlan, createBus, type Notes } from './bus.ts';
import { type Arrival, type Group, PARTITIONS } from './load.ts';

export interface ConsumerPlan extends BusPlan {
  /** Those that nobody else has in the group `ordered`. */
  readonly partitions: readonly number[];
}

export interface ConsumerReport {
  readonly arrivals: readonly Arrival[];
  readonly notes: Notes;
}

const BEAT_MS = 50;

const plan = JSON.parse(process.argv[2] ?? '') as ConsumerPlan;
const { bus, notes } = createBus(plan);
const arrivals: Arrival[] = [];
/** By group and partition: when the latest event was published that came. */
const beat = {
  ordered: new Array<number>(PARTITIONS).fill(0),
  shared: new Array<number>(PARTITIONS).fill(0),
};
const told = new Promise((resolve) => process.once('message', resolve));

const subscribe = (group: Group, partitions?: readonly number[]) =>
  bus.subscribe(
    plan.type,
    ({ body: { p, n, at: publishedAt } }) => {
      arrivals.push({ group, p, n, publishedAt, at: now() });
      beat[group][p] = Math.max(beat[group][p] as number, publishedAt);
    },
    { group, from: 'earliest', concurrency: 100, ...(partitions && { partitions }) },
  );

await subscribe('ordered', plan.partitions);
await subscribe('shared');
await bus.start();
process.send?.({ ready: true });
const beating = setInterval(() => process.send?.({ beat }), BEAT_MS);
await told;
clearInterval(beating);
await bus.stop(5000);
const report: ConsumerReport = { arrivals, notes };
// It is large: only when it has left the process may the channel be closed.
process.send?.({ report }, () => process.disconnect());
