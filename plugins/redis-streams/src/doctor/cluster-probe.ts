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

export const probeCluster = async (session: Session): Promise<ClusterFacts> => {
  const [info, nodes] = await Promise.all([session.ask('cluster', 'info'), session.ask('cluster', 'nodes')]);
  const lines = String(nodes ?? '').split('\n');
  return {
    where: session.where,
    info: fieldsOf(info),
    nodes: lines.filter((line) => line.trim() !== '').map((line) => clusterNodeOf(line, session.address)),
  };
};
