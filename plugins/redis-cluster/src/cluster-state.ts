/** What a node tells of the cluster as a whole: https://redis.io/docs/latest/commands/cluster-info/ */
export interface ClusterState {
  readonly ok: boolean;
  /** The higher one is the newer view. */
  readonly epoch: number;
  /** Slots of masters that most of the others hold for dead. */
  readonly slotsFailed: number;
  /** Slots of masters that do not answer, to this node. */
  readonly slotsSilent: number;
  readonly slotsAssigned: number;
}

export const clusterStateOf = (info: string): ClusterState => {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    ok: field('cluster_state') === 'ok',
    epoch: Number(field('cluster_current_epoch')),
    slotsFailed: Number(field('cluster_slots_fail')),
    slotsSilent: Number(field('cluster_slots_pfail')),
    slotsAssigned: Number(field('cluster_slots_assigned')),
  };
};

/** What is wrong with the cluster, in words; nothing when all is well. */
export const clusterProblem = (state: ClusterState): string | undefined => {
  const { ok, slotsFailed, slotsSilent, slotsAssigned } = state;
  if (slotsFailed > 0)
    return `failing over: ${slotsFailed} slots have lost their master, and no replica has taken over yet`;
  if (slotsAssigned < 16_384) return `CLUSTERDOWN: ${16_384 - slotsAssigned} slots belong to no node`;
  if (!ok && slotsSilent > 0) return 'no quorum: most of the masters cannot be reached by the others (CLUSTERDOWN)';
  if (!ok) return 'CLUSTERDOWN: the node that was asked has just started, or was cut off from the others';
  if (slotsSilent > 0)
    return `a master with ${slotsSilent} slots does not answer: the others have not agreed yet that it is down`;
  return undefined;
};
