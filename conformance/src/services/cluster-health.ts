import { SLOTS } from './cluster-slot.ts';
import { type ClusterView, clusterView, isMaster, shapeOf } from './cluster-view.ts';
import type { ClusterNode } from './redis-cluster-service.ts';
import { replicationComplaint } from './replication-role.ts';

const viewComplaint = (view: ClusterView, nodes: readonly ClusterNode[]): string | undefined => {
  if (view.length !== nodes.length) return `it knows ${view.length} nodes`;
  const odd = view.find(({ flags, linked }) => !linked || (flags[0] !== 'master' && flags[0] !== 'slave') || flags[1]);
  if (odd) return `it says of ${odd.port}: ${odd.flags}${odd.linked ? '' : ', no link'}`;
  const covered = view.flatMap(({ slots }) => slots).reduce((sum, [first, last]) => sum + last - first + 1, 0);
  return covered === SLOTS ? undefined : `it knows the owners of ${covered} slots`;
};

const nodeComplaint = async (node: ClusterNode, nodes: readonly ClusterNode[], shape: string | undefined) => {
  const info = await node.probe('CLUSTER', 'INFO').catch(() => undefined);
  const view = await clusterView(node);
  if (info === undefined || view === undefined) return 'it does not answer';
  if (!String(info).includes('cluster_state:ok')) return 'its cluster_state is not ok';
  const complaint = viewComplaint(view, nodes);
  if (complaint !== undefined) return complaint;
  return shape !== undefined && shapeOf(view) !== shape ? 'it does not see what the others see' : undefined;
};

/** Why the cluster is not in full health; undefined when it is. */
export const clusterComplaint = async (
  nodes: readonly ClusterNode[],
  replicasPerMaster: number,
): Promise<string | undefined> => {
  const first = nodes[0] && (await clusterView(nodes[0]));
  const shape = first && shapeOf(first);
  for (const node of nodes) {
    const complaint = await nodeComplaint(node, nodes, shape);
    if (complaint !== undefined) return `node ${node.port}: ${complaint}`;
  }
  for (const member of (first ?? []).filter(isMaster)) {
    const master = nodes.find(({ id }) => id === member.id);
    const followers = (first ?? []).filter(({ masterId }) => masterId === member.id).map(({ id }) => id);
    if (followers.length !== replicasPerMaster) return `master ${member.port} has ${followers.length} replicas`;
    const replicas = nodes.filter(({ id }) => followers.includes(id));
    const complaint = master && (await replicationComplaint(master, replicas));
    if (complaint !== undefined) return complaint;
  }
  return undefined;
};
