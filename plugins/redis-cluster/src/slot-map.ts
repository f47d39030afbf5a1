import type { Address } from '@logistically/events-redis-streams/engine';

/** Slots that one master has. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly master: Address;
}

type Entry = readonly [first: number, last: number, ...nodes: (readonly [host: string | null, port: number])[]];

/**
 * Reads the reply to `CLUSTER SLOTS`. A node that does not know its own address, or was told to keep it to itself, names none: it is
 * where it was asked (https://redis.io/docs/latest/commands/cluster-slots/).
 */
export const slotRangesOf = (reply: unknown, asked: Address, reach: (address: Address) => Address): SlotRange[] =>
  (reply as Entry[]).flatMap(([first, last, master]) => {
    if (!master) return [];
    const [host, port] = master;
    const told = { host: !host || host === '?' ? asked.host : host, port };
    return [{ first, last, master: reach(told) }];
  });
