import { isEventsError } from '@logistically/events-kernel';
import type { Story, World } from './world.ts';

const countOf = (keys: readonly number[]): Map<number, number> => {
  const counts = new Map<number, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

/** What a publish may be refused with: by the plugins that bound what waits. */
const REFUSALS = ['EVENTS_RATE_LIMITED', 'EVENTS_BATCHING_FULL'];

/** What the model has against the end of a story. */
export const faultsOf = async ({ names, options }: Story, world: World): Promise<string[]> => {
  const faults: string[] = [];
  const has = (name: Story['names'][number]): boolean => names.includes(name);
  const stored = countOf(await world.stored());
  const dead = countOf(await world.dead());
  const produces = has('idempotency') && options.idempotency?.produce !== undefined;
  const attempts = !has('dlq')
    ? Number.POSITIVE_INFINITY
    : has('retry')
      ? (options.retry?.maxAttempts ?? 4)
      : (options.dlq?.maxAttempts ?? 4);

  for (const reason of world.refused)
    if (!isEventsError(reason) || !REFUSALS.includes(reason.code)) faults.push(`refused with ${String(reason)}`);
  if (new Set(world.overlapping).size > 0 && has('idempotency')) faults.push(`at the same time: ${world.overlapping}`);

  for (const [key, { failures, permanent }] of world.fates.entries()) {
    const copies = stored.get(key) ?? 0;
    const confirmed = world.confirmed.get(key) ?? 0;
    const letters = dead.get(key) ?? 0;
    const calls = world.calls.get(key) ?? 0;
    const successes = world.successes.get(key) ?? 0;
    const told = `${key}: ${JSON.stringify({ failures, permanent, copies, confirmed, calls, successes, letters })}`;
    if (produces ? copies !== Math.min(confirmed, 1) : copies !== confirmed)
      faults.push(`stored otherwise than confirmed: ${told}`);
    if (copies === 0) {
      if (calls + letters > 0) faults.push(`handled and not stored: ${told}`);
    } else if (copies > 1) {
      // Which copy fails how often depends on who comes first.
      if (has('idempotency') ? successes > 1 : successes + letters !== copies) faults.push(`copies got lost: ${told}`);
      if (successes === 0 && letters !== copies) faults.push(`neither handled nor dead: ${told}`);
    } else {
      const dies = has('dlq') && (permanent || failures >= attempts);
      const wanted = permanent ? 1 : Math.min(failures + 1, attempts);
      const isRight = calls === wanted && successes === (dies ? 0 : 1) && letters === (dies ? 1 : 0);
      if (!isRight) faults.push(`the model says ${wanted} calls, ${dies ? 'dead' : 'done'}: ${told}`);
    }
  }
  return faults;
};
