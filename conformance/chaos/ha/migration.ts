import { setTimeout as sleep } from 'node:timers/promises';
import { clusterView } from '../../src/services/cluster-view.ts';
import type { ClusterNode, RedisClusterService } from '../../src/services/index.ts';
import { now } from '../clock.ts';
import { ALL } from './faults.ts';
import { slotOfPartition } from './ground.ts';
import type { Scenario } from './scenario.ts';

const HALF_OPEN_MS = 100;
/** Slots that nobody uses, moved in one go. */
const EMPTY_SLOTS = 40;

const emptySlotsOf = async (node: ClusterNode, used: readonly number[]): Promise<number[]> => {
  const own = (await clusterView(node))?.find(({ id }) => id === node.id)?.slots ?? [];
  const slots = own.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
  return slots.filter((slot) => !used.includes(slot)).slice(0, EMPTY_SLOTS);
};

/** A slot stays open before its keys are moved, after one of them is, and after all are. */
const moveSlowly = async (cluster: RedisClusterService, slot: number, to: ClusterNode): Promise<void> => {
  await cluster.openSlot(slot, to);
  await sleep(HALF_OPEN_MS);
  await cluster.migrateKeys(slot, 1);
  await sleep(HALF_OPEN_MS);
  await cluster.migrateKeys(slot);
  await sleep(HALF_OPEN_MS);
  await cluster.closeSlot(slot, to);
};

/**
 * One partition of each master goes around all masters and comes home: once slowly, with slots that nobody uses moved in bulk
 * between, and once as fast as it can be.
 */
export const migrateSlots: Scenario['fault'] = async ({ ground, mark }) => {
  const { cluster, type } = ground;
  if (!cluster) throw new Error('Slots are moved in a cluster only.');
  const masters = await cluster.masters();
  const owners = await Promise.all(ALL.map(ground.ownerOf));
  const affected = masters.map((master) => owners.indexOf(master));
  const used = ALL.map((partition) => slotOfPartition(cluster, type, partition));
  const [first, second] = masters as [ClusterNode, ClusterNode];
  const empty = await emptySlotsOf(first, used);

  const at = now();
  const around = async (move: typeof moveSlowly, then: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = 1; turn <= masters.length; turn++) {
      for (const [home, partition] of affected.entries()) {
        const to = masters[(home + turn) % masters.length] as ClusterNode;
        await move(cluster, used[partition] as number, to);
        mark(`partition ${partition} is on ${to.port}`);
      }
      await then(turn);
    }
  };
  await around(moveSlowly, (turn) =>
    turn % 2 === 1 ? cluster.reshard(empty, first, second) : cluster.reshard(empty, second, first),
  );
  await cluster.reshard(empty, second, first);
  await around(
    (_, slot, to) => cluster.moveSlot(slot, to),
    () => sleep(HALF_OPEN_MS),
  );
  return { at, affected };
};
