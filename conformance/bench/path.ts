import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Awaitable, compose, each, filter, type Layer } from '@logistically/events-kernel';
import { now } from './clock.ts';
import { NODE_ARGUMENTS } from './part-process.ts';
import { median } from './statistics.ts';
import { columns } from './table.ts';

// Compares two shapes of the hot path, five layers deep: settle per event (the kernel's) and a promise per batch.

interface Item {
  readonly id: number;
  readonly kept: boolean;
}

type Handler = (item: Item) => Awaitable<void>;
type Acknowledge = (item: Item) => void;
/** Handles a batch, acknowledging each item as soon as the design can; resolves when all are. */
type Design = (handler: Handler) => (batch: readonly Item[], acknowledge: Acknowledge) => Promise<void>;

const keeps = ({ kept }: Item): boolean => kept;
const isNumbered = ({ id }: Item): boolean => id >= 0;

/** Counts what comes out. */
const settleObserver = (): Layer<Item> => (next) => {
  const counts = { done: 0, failed: 0 };
  return (batch, settle) =>
    next(batch, (item, reason) => {
      if (reason === undefined) counts.done++;
      else counts.failed++;
      settle(item, reason);
    });
};

/** Counts what goes in. */
const settleCounter: Layer<Item> = (next) => {
  const counts = { entered: 0 };
  return (batch, settle) => {
    counts.entered += batch.length;
    next(batch, settle);
  };
};

const settlePerEvent: Design = (handler) => {
  const path = compose(
    [settleObserver(), settleCounter, filter(keeps), filter(isNumbered), settleObserver()],
    each<Item>(handler),
  );
  return (batch, acknowledge) =>
    new Promise((resolve) => {
      let open = batch.length;
      path(batch, (item) => {
        acknowledge(item);
        if (--open === 0) resolve();
      });
    });
};

/** Resolves with the reasons of what is not done. */
type BatchPath = (batch: readonly Item[]) => Promise<ReadonlyMap<Item, unknown>>;
type BatchLayer = (next: BatchPath) => BatchPath;

const batchObserver = (): BatchLayer => (next) => {
  const counts = { done: 0, failed: 0 };
  return async (batch) => {
    const reasons = await next(batch);
    counts.failed += reasons.size;
    counts.done += batch.length - reasons.size;
    return reasons;
  };
};

const batchCounter: BatchLayer = (next) => {
  const counts = { entered: 0 };
  return (batch) => {
    counts.entered += batch.length;
    return next(batch);
  };
};

const batchFilter =
  (keep: (item: Item) => boolean): BatchLayer =>
  (next) =>
  (batch) =>
    next(batch.filter(keep));

const batchEach =
  (handler: Handler): BatchPath =>
  async (batch) => {
    const reasons = new Map<Item, unknown>();
    const running: PromiseLike<void>[] = [];
    for (const item of batch) {
      try {
        const result = handler(item);
        if (result) running.push(result.then(undefined, (thrown: unknown) => void reasons.set(item, thrown)));
      } catch (thrown) {
        reasons.set(item, thrown);
      }
    }
    if (running.length > 0) await Promise.all(running);
    return reasons;
  };

const promisePerBatch: Design = (handler) => {
  const layers = [batchObserver(), batchCounter, batchFilter(keeps), batchFilter(isNumbered), batchObserver()];
  const path = layers.reduceRight((next, layer) => layer(next), batchEach(handler));
  return async (batch, acknowledge) => {
    const reasons = await path(batch);
    for (const item of batch) if (!reasons.has(item)) acknowledge(item);
  };
};

const DESIGNS: Readonly<Record<string, Design>> = {
  'settle per event': settlePerEvent,
  'promise per batch': promisePerBatch,
};
const ROUNDS = 9;
const BATCHES = 5000;
const SLOW_MS = 50;

const createBatch = (): Item[] => Array.from({ length: 100 }, (_, id) => ({ id, kept: true }));

/** ns per event. */
const throughput = async (design: Design, handler: Handler): Promise<number> => {
  const handle = design(handler);
  const batch = createBatch();
  let acknowledged = 0;
  global.gc?.();
  const start = now();
  for (let count = 0; count < BATCHES; count++) await handle(batch, () => void acknowledged++);
  const elapsed = now() - start;
  if (acknowledged !== BATCHES * batch.length) throw new Error(`${acknowledged} items were acknowledged.`);
  return (elapsed / acknowledged) * 1000;
};

/** After how many ms all but the slow item of a batch are acknowledged. */
const othersOfSlow = async (design: Design): Promise<number> => {
  const batch = createBatch();
  const handle = design(({ id }) => (id === 50 ? sleep(SLOW_MS) : undefined));
  let acknowledged = 0;
  let others = Number.NaN;
  const start = now();
  await handle(batch, ({ id }) => {
    if (id !== 50 && ++acknowledged === batch.length - 1) others = (now() - start) / 1000;
  });
  return others;
};

const WORK: Readonly<Record<string, (design: Design) => Promise<number>>> = {
  'sync handler, ns/event': (design) => throughput(design, () => {}),
  'async handler, ns/event': (design) => throughput(design, async () => {}),
  [`others of a ${SLOW_MS} ms event, ms`]: othersOfSlow,
};

const compare = async (): Promise<void> => {
  const designs = Object.keys(DESIGNS);
  const rows: string[][] = [];
  for (const [title, work] of Object.entries(WORK)) {
    const values = new Map<string, number[]>(designs.map((name) => [name, []]));
    for (let round = 0; round <= ROUNDS; round++)
      for (const name of round % 2 === 0 ? designs : designs.toReversed()) {
        const value = await work(DESIGNS[name] as Design);
        if (round > 0) values.get(name)?.push(value);
      }
    rows.push([title, ...designs.map((name) => median(values.get(name) ?? []).toFixed(1))]);
  }
  console.log(`Five layers, batches of 100, medians of ${ROUNDS} rounds\n`);
  console.log(columns([['', ...designs], ...rows]));
};

if (global.gc) await compare();
else {
  const [code] = await once(
    spawn(process.execPath, [...NODE_ARGUMENTS, fileURLToPath(import.meta.url)], { stdio: 'inherit' }),
    'exit',
  );
  process.exitCode = code ?? 1;
}
