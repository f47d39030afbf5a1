import type { Facts, NodeFacts } from './facts.ts';
import { hasFavourite } from './findings/promotion.ts';
import { numberOf, settingOf } from './findings/setting.ts';

const replicasOf = ({ info }: NodeFacts): number => Number(info.connected_slaves ?? 0);

const onDisk = (node: NodeFacts): string => {
  const { info, config } = node;
  if (info.aof_enabled === '1') {
    if (config.appendfsync === 'always') return 'nothing that was confirmed (appendfsync always)';
    if (config.appendfsync === 'no') return 'what the system had not written yet, some 30 s (appendfsync no)';
    return config.appendfsync === 'everysec'
      ? 'at most the last second, two when the disk is slow (appendfsync everysec)'
      : 'about the last second, if appendfsync is everysec as it is by default';
  }
  if (settingOf(node, 'save') === '') return 'everything (nothing is written to disk)';
  return 'all that came since the last snapshot (no append-only file)';
};

const ofServer = (node: NodeFacts): string =>
  node.info.aof_enabled === '1'
    ? 'If Redis alone crashes, nothing that was confirmed is lost: it is in the append-only file, which the system keeps.'
    : `If Redis crashes, this is lost: ${onDisk(node)}.`;

/** For how long a master that is cut off confirms events, s; 0 where nothing bounds it. */
const lagOf = (node: NodeFacts): number =>
  numberOf(node, 'min-replicas-to-write') ? (numberOf(node, 'min-replicas-max-lag') ?? 0) : 0;

const ofFailover = (node: NodeFacts, { topology, nodes }: Facts): string => {
  const count = replicasOf(node);
  if (count === 0) return 'There is no replica, so there is no failover: what the disk does not bring back is lost.';
  const who = topology === 'single' ? 'Somebody who makes a replica the master' : 'A failover';
  const lag = lagOf(node);
  // Who takes over has parameters of its own.
  const others =
    count > 1
      ? nodes.filter(({ role, config }) => role === 'replica' && config['min-replicas-to-write']).map(lagOf)
      : [];
  const then = others.some((other) => other === 0)
    ? '; after a failover there is no bound: a replica has no min-replicas-to-write'
    : others.some((other) => other > lag)
      ? `; after a failover about ${Math.max(...others) + 1} s, as a replica has it`
      : '';
  const cut =
    lag > 0
      ? `and when the master is cut off and not dead, what it confirms until it notices, at most about ${lag + 1} s of events (min-replicas-max-lag ${lag}${then})`
      : 'and when the master is cut off and not dead, all that it goes on to confirm for as long as publishers reach it (min-replicas-to-write is 0: there is no bound)';
  return `${who} loses what the replica had not received: mostly milliseconds of events when the master dies, ${cut}. Acknowledgements that are lost mean that events come again.`;
};

const ofDurability = (node: NodeFacts, facts: Facts): string => {
  const count = replicasOf(node);
  if (count === 0) return '`durability: { replicas: 1 }` needs two replicas, and there is none: it is refused.';
  if (count === 1)
    return '`durability: { replicas: 1 }` needs two replicas to survive the loss of one, and there is one: it is refused.';
  const favourite = hasFavourite(facts)
    ? ' So it is here where the one that Sentinel prefers lacks it: replica-priority is not the same everywhere.'
    : '';
  return `With \`durability: { replicas: n }\`, n at most ${count - 1} here, an event is confirmed when n replicas have it in memory: it is lost only if the master and all of these n are lost together, or if all that a failover can choose from are others.${favourite} What is not confirmed rejects, and may be stored all the same.`;
};

/** The master whose loss costs most. */
const weakest = (masters: readonly NodeFacts[]): NodeFacts | undefined =>
  masters.toSorted((one, other) => replicasOf(one) - replicasOf(other))[0];

/** What this set-up can lose at most, in plain words. */
export const lossBound = (facts: Facts): string => {
  const { nodes } = facts;
  const node = weakest(nodes.filter(({ role }) => role === 'master'));
  if (!node) return 'No master could be looked at: what can be lost is unknown.';
  if (node.info.role === undefined) return 'The master does not let this user use INFO: what can be lost is unknown.';
  return [
    'A service that crashes loses nothing that was confirmed; what it was handling comes again.',
    ofServer(node),
    `If the machine crashes and Redis comes back on it, this is lost: ${onDisk(node)}.`,
    ofFailover(node, facts),
    ofDurability(node, facts),
    ...(nodes.filter(({ role }) => role === 'master').length > 1
      ? [`(Of the masters this is about ${node.where}, which has the fewest replicas.)`]
      : []),
  ].join(' ');
};
