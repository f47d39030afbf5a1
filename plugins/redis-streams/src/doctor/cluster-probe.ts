import type { ClusterFacts, ClusterNode } from './facts.ts';
import { fieldsOf } from './node-probe.ts';
import type { Session } from './session.ts';
import type { Address } from './target.ts';

const rangeOf = (text: string): readonly [number, number] => {
  const [first = '', last = first] = text.split('-');
  return [Number(first), Number(last)];
};

/** A line of CLUSTER NODES. `own` is the address of the node that tells: it may not know its own. */
export const clusterNodeOf = (line: string, own: Address): ClusterNode => {
  const [id = '', place = '', flags = '', master = '', , , , , ...slots] = line.trim().split(' ');
  const address = place.replace(/@.*$/, '');
  const colon = address.lastIndexOf(':');
  return {
    id,
    where: `${address.slice(0, colon) || own.host}:${address.slice(colon + 1)}`,
    flags: flags.split(','),
    master: master === '-' ? undefined : master,
    slots: slots.filter((slot) => !slot.startsWith('[')).map(rangeOf),
    open: slots.filter((slot) => slot.startsWith('[')).map((slot) => slot.replace(/[[\]]/g, '')),
  };
};

/** The same from CLUSTER SLOTS, which every role of ours may ask: those that have slots and their replicas. */
const slotNodesOf = (reply: unknown, own: Address): readonly ClusterNode[] => {
  const nodes = new Map<string, ClusterNode>();
  for (const [first, last, ...owners] of Array.isArray(reply) ? reply : []) {
    const [[, , master] = []] = owners;
    owners.forEach(([host, port, id]: readonly [string | null, number, string], index: number) => {
      const slots = [...(nodes.get(id)?.slots ?? []), ...(index === 0 ? [[first, last] as const] : [])];
      const flags = [index === 0 ? 'master' : 'slave'];
      const where = `${host || own.host}:${port}`;
      nodes.set(id, { id, where, flags, master: index === 0 ? undefined : master, slots, open: [] });
    });
  }
  return [...nodes.values()];
};

export const probeCluster = async (session: Session): Promise<ClusterFacts> => {
  const [info, nodes] = await Promise.all([session.ask('cluster', 'info'), session.ask('cluster', 'nodes')]);
  const lines = typeof nodes === 'string' ? nodes.split('\n').filter((line) => line.trim() !== '') : undefined;
  return {
    where: session.where,
    info: fieldsOf(info),
    nodes:
      lines?.map((line) => clusterNodeOf(line, session.address)) ??
      slotNodesOf(await session.ask('cluster', 'slots'), session.address),
  };
};
