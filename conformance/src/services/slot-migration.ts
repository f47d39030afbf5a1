import type { ClusterNode } from './redis-cluster-service.ts';

const KEYS_AT_ONCE = 100;
const MIGRATE_TIMEOUT_MS = 5_000;

/** MIGRATING at the owner and IMPORTING at the new one: from here on keys that are not there are asked for (`ASK`). */
export const openSlot = async (slot: number, from: ClusterNode, to: ClusterNode): Promise<void> => {
  await to.cli('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id);
  await from.cli('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', to.id);
};

/** The id of the node that an open slot goes to, by what its owner says; undefined when it is not open. */
export const destinationOf = async (slot: number, from: ClusterNode): Promise<string | undefined> =>
  new RegExp(`\\[${slot}->-(\\w+)\\]`).exec(String(await from.cli('CLUSTER', 'NODES')))?.[1];

/** Moves at most `limit` keys of an open slot and returns how many those were. */
export const migrateKeys = async (
  slot: number,
  from: ClusterNode,
  to: ClusterNode,
  limit: number,
  password: string | undefined,
): Promise<number> => {
  const login = password === undefined ? [] : ['AUTH2', 'default', password];
  let moved = 0;
  while (moved < limit) {
    const count = String(Math.min(KEYS_AT_ONCE, limit - moved));
    const keys = (await from.cli('CLUSTER', 'GETKEYSINSLOT', String(slot), count)) as string[];
    if (keys.length === 0) break;
    const target = [to.host, String(to.port), '', '0', String(MIGRATE_TIMEOUT_MS)];
    await from.cli('MIGRATE', ...target, 'REPLACE', ...login, 'KEYS', ...keys);
    moved += keys.length;
  }
  return moved;
};

/** Makes `to` the owner: told to itself first, so that the slot is never nobody's, then to the old one, then to the others. */
export const closeSlot = async (
  slot: number,
  from: ClusterNode,
  to: ClusterNode,
  otherMasters: readonly ClusterNode[],
): Promise<void> => {
  for (const node of [to, from, ...otherMasters]) await node.cli('CLUSTER', 'SETSLOT', String(slot), 'NODE', to.id);
};
