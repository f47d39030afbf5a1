import type { Facts, NodeFacts, SilentNode } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { mebibytes, numberOf } from './setting.ts';

/** A replica this far behind, in bytes, loses a noticeable number of events in a failover. */
const FAR_BEHIND = 10 * 1_048_576;
const LONG_LAG_S = 30;

const replicasOf = ({ info }: NodeFacts): readonly string[] =>
  Object.entries(info)
    .filter(([name, text]) => /^slave\d+$/.test(name) && text.includes('state='))
    .map(([, text]) => text);

/** What a master confirms that is cut off. A replica is one after a failover: the parameters are not replicated. */
const boundFinding = (node: NodeFacts): Finding | undefined => {
  const { where, role } = node;
  const least = numberOf(node, 'min-replicas-to-write');
  const lag = numberOf(node, 'min-replicas-max-lag');
  const then = role === 'replica' ? 'Once this replica is the master (it has parameters of its own): a' : 'A';
  if (least === 0 || (least !== undefined && lag === 0))
    return {
      level: 'warning',
      code: 'min-replicas',
      where,
      what: `${then} master that is cut off from its replicas goes on confirming events, for as long as publishers reach it; a failover loses them all. With 1 and a lag of 10 it stops after about 10 s.`,
      fix: least === 0 ? 'CONFIG SET min-replicas-to-write 1' : 'CONFIG SET min-replicas-max-lag 10',
    };
  if (least === undefined || lag === undefined || lag <= LONG_LAG_S) return undefined;
  return {
    level: 'warning',
    code: 'min-replicas-lag',
    where,
    what: `${then} master that is cut off goes on confirming events for ${lag} s (min-replicas-max-lag): a failover loses them.`,
    fix: 'CONFIG SET min-replicas-max-lag 10',
  };
};

const masterFindings = (node: NodeFacts, topology: Facts['topology']): Finding[] => {
  const { where } = node;
  // Without INFO nothing is known of its replicas.
  if (node.info.role === undefined) return [];
  const count = replicasOf(node).length;
  if (count === 0)
    return [
      {
        level: 'warning',
        code: 'no-replica',
        where,
        what: 'This master has no replica: while it is away nothing is published or consumed, and its disk is the only copy.',
        fix:
          topology === 'cluster'
            ? `redis-cli --cluster add-node <new node> ${where} --cluster-slave`
            : `On another machine: REPLICAOF ${where.replace(/:(\d+)$/, ' $1')}; better two of them, with three sentinels`,
      },
    ];
  const boundless = boundFinding(node);
  if (boundless) return [boundless];
  const least = numberOf(node, 'min-replicas-to-write');
  if (least === undefined) return [];
  const good = Number(node.info.min_slaves_good_slaves ?? count);
  if (least > good)
    return [
      {
        level: 'error',
        code: 'min-replicas-unmet',
        where,
        what: `min-replicas-to-write is ${least}, and of ${count} replicas ${good} are in step: nothing can be published.`,
        fix: `Add replicas or mend those that lag; in need CONFIG SET min-replicas-to-write ${good}`,
      },
    ];
  if (least === count)
    return [
      {
        level: 'info',
        code: 'min-replicas-tight',
        where,
        what: `min-replicas-to-write is as high as there are replicas (${count}): when one is away nothing can be published.`,
        fix: `Add a replica${count > 1 ? `, or CONFIG SET min-replicas-to-write ${count - 1}` : ''}`,
      },
    ];
  return [];
};

const lagFindings = (node: NodeFacts, nodes: readonly NodeFacts[]): Finding[] => {
  const own = Number(node.info.master_repl_offset);
  return replicasOf(node).flatMap((text): Finding[] => {
    const field = (name: string): string => new RegExp(`(?:^|,)${name}=([^,]*)`).exec(text)?.[1] ?? '';
    const replica = `${field('ip')}:${field('port')}`;
    if (field('state') !== 'online')
      return [
        {
          level: 'warning',
          code: 'replica-syncing',
          where: replica,
          what: `This replica is not in step with ${node.where} yet (${field('state')}): it cannot take over.`,
          fix: 'Wait; should it last, look at client-output-buffer-limit replica and repl-backlog-size',
        },
      ];
    // What the master knows of it is up to a second old; what the replica tells of itself is not.
    const itself = Number(nodes.find(({ where }) => where === replica)?.info.slave_repl_offset ?? 0);
    const behind = own - Math.max(Number(field('offset')), itself);
    if (!(behind > FAR_BEHIND)) return [];
    return [
      {
        level: 'warning',
        code: 'replica-lag',
        where: replica,
        what: `This replica is ${mebibytes(behind)} behind ${node.where}: a failover to it loses that much.`,
        fix: 'Look at its network and load; `durability: { replicas: 1 }` confirms only what it has',
      },
    ];
  });
};

const linkFinding = ({ where, info }: NodeFacts): Finding | undefined => {
  if (info.master_link_status !== 'down') return undefined;
  const since = Number(info.master_link_down_since_seconds);
  return {
    level: 'error',
    code: 'replica-link-down',
    where,
    what: `This replica has lost its master${since >= 0 ? ` for ${since} s` : ''}: what it has grows older.`,
    fix: 'Look at the network between them, and at masterauth and masteruser of the replica',
  };
};

const replicaFindings = (node: NodeFacts, nodes: readonly NodeFacts[]): Finding[] => {
  const { master_host: host, master_port: port } = node.info;
  const siblings = nodes.filter(({ info }) => info.master_host === host && info.master_port === port);
  // The only one has no replica once it is the master: it must not wait for any.
  const boundless = siblings.length > 1 ? boundFinding(node) : undefined;
  return [linkFinding(node), boundless].filter((finding) => finding !== undefined);
};

const strangerFinding = ({ where, kind }: SilentNode): Finding => ({
  level: 'error',
  code: 'user-unknown',
  where,
  what: `This ${kind} does not know the user, or has another password for it: users are not replicated. After a failover to it nobody gets in.`,
  fix: 'Run the same ACL SETUSER line on every server, or give all of them the same aclfile',
});

const silentFinding = (node: SilentNode): Finding =>
  node.kind !== 'sentinel' && /\b(WRONGPASS|NOAUTH)\b/.test(node.why) ? strangerFinding(node) : absentFinding(node);

const absentFinding = ({ where, kind, why }: SilentNode): Finding => ({
  level: kind === 'replica' ? 'warning' : 'error',
  code: `${kind}-silent`,
  where,
  what: `The ${kind} does not answer from here: ${why}`,
  fix: 'Start it, or see to it that this address leads to it from where the services run (announce-ip, or a NAT map)',
});

/** Whether there is another copy, how old it may be, and whether it can take over. */
export const replicationFindings = ({ nodes, silent, topology, cluster }: Facts): Finding[] => {
  // In a cluster a master without slots has nothing to lose.
  const empty = new Set(cluster[0]?.nodes.filter(({ slots }) => slots.length === 0).map(({ where }) => where));
  return [
    ...silent.map(silentFinding),
    ...nodes.flatMap((node) =>
      node.role === 'replica'
        ? replicaFindings(node, nodes)
        : [...(empty.has(node.where) ? [] : masterFindings(node, topology)), ...lagFindings(node, nodes)],
    ),
  ];
};
