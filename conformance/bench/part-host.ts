import { findPart, type PartAddress } from './address.ts';
import { cases } from './cases/index.ts';
import { now } from './clock.ts';
import { ownCpu } from './cpu.ts';
import type { Order, Reply, Run } from './message.ts';
import type { Part } from './part.ts';

// A process that hosts parts. Started by part-process.ts, which it does not outlive.

const parts = new Map<string, Part>();
const keyOf = ({ variant, role }: PartAddress): string => `${variant}/${role}`;

const run = async (part: Part, events: number): Promise<Run> => {
  const cpu = ownCpu();
  const start = now();
  const figures = (await part.run(events)) ?? {};
  return { start, end: now(), cpu: ownCpu() - cpu, figures };
};

const obey = async (order: Order): Promise<Reply> => {
  const key = keyOf(order.part);
  if (order.order === 'open') {
    // Before the warm-up: a full collection also throws away what the compiler has learned.
    global.gc?.();
    parts.set(key, await findPart(cases, order.part)(order.lab));
    return {};
  }
  const part = parts.get(key);
  if (!part) throw new Error(`The part ${key} is not open.`);
  if (order.order === 'run') return { run: await run(part, order.events) };
  parts.delete(key);
  try {
    await part.verify();
  } finally {
    await part.close();
  }
  return {};
};

process.on('message', (order: Order) => {
  obey(order)
    .catch((thrown: unknown) => ({
      error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    }))
    .then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
