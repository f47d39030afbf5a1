import { setTimeout as sleep } from 'node:timers/promises';
import { EventsError } from '@logistically/events-kernel';
import type { Commands } from './commands.ts';
import type { Replicas } from './options.ts';

/** Between two looks at replicas that may be on their way, as they are after a failover, in ms. */
const LOOK_MS = 100;

/** The replicas of the master that have least: those that follow it, not those that are to. */
const fewest = async (masters: readonly Commands[]): Promise<number> => {
  const infos = await Promise.all(masters.map((master) => master.run((client) => client.info('replication'))));
  return Math.min(...infos.map((info) => [...info.matchAll(/^slave\d+:.*state=online/gm)].length));
};

/**
 * Resolves when each master has more replicas than must have an event, so that the loss of one leaves enough. Throws
 * `EVENTS_REDIS_STREAMS_DURABILITY` where that is not so by the deadline (ms since the epoch).
 */
export const checkReplicas = async (
  masters: readonly Commands[],
  { replicas }: Replicas,
  deadline: number,
): Promise<void> => {
  for (;;) {
    const has = await fewest(masters);
    if (has > replicas) return;
    if (Date.now() + LOOK_MS >= deadline)
      throw new EventsError(
        'EVENTS_REDIS_STREAMS_DURABILITY',
        `\`durability: { replicas: ${replicas} }\` needs ${replicas + 1} replicas for each master, so that one can fail: there ${has === 1 ? 'is 1' : `are ${has}`}. Add replicas, or use 'async'.`,
      );
    await sleep(LOOK_MS);
  }
};
