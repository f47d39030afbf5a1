import type { Facts, NodeFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { settingOf } from './setting.ts';

/** What CONFIG does not tell, INFO of a replica does. */
const priorityOf = (node: NodeFacts): string | undefined =>
  settingOf(node, 'replica-priority') ?? node.info.slave_priority;

/** Whether Sentinel prefers one of these servers to another, whatever it lacks. */
export const hasFavourite = ({ topology, nodes }: Pick<Facts, 'topology' | 'nodes'>): boolean => {
  if (topology !== 'sentinel' || nodes.length < 3) return false;
  return new Set(nodes.map(priorityOf).filter((priority) => priority !== undefined && priority !== '0')).size > 1;
};

/** Whether somebody can take over, and whether it is who has most. */
export const promotionFindings = (facts: Facts): Finding[] => {
  const { topology, nodes, silent } = facts;
  // Without somebody who promotes there is nobody who goes by this.
  if (topology === 'single') return [];
  const isExempt = (node: NodeFacts): boolean =>
    topology === 'cluster' ? settingOf(node, 'cluster-replica-no-failover') === 'yes' : priorityOf(node) === '0';
  const [setting, fix] =
    topology === 'cluster'
      ? ['cluster-replica-no-failover yes', 'CONFIG SET cluster-replica-no-failover no']
      : ['replica-priority 0', 'CONFIG SET replica-priority 100'];
  const replicas = nodes.filter(({ role }) => role === 'replica');
  const mayBeOthers = silent.some(({ kind }) => kind === 'replica');
  const siblingsOf = ({ info }: NodeFacts): readonly NodeFacts[] =>
    replicas.filter((each) => each.info.master_host === info.master_host && each.info.master_port === info.master_port);
  const findings = replicas.filter(isExempt).map(
    (node): Finding =>
      siblingsOf(node).every(isExempt) && !mayBeOthers
        ? {
            level: 'error',
            code: 'no-candidate',
            where: node.where,
            what: `No replica of this master may take over (${setting}): when the master dies it is not replaced.`,
            fix,
          }
        : {
            level: 'warning',
            code: 'never-promoted',
            where: node.where,
            what: `This replica may not take over (${setting}), and \`durability\` counts it: what it alone has confirmed is lost in a failover.`,
            fix,
          },
  );
  if (!hasFavourite(facts)) return findings;
  const uneven = nodes.filter((node) => !['0', '100', undefined].includes(priorityOf(node)));
  return [
    ...findings,
    ...uneven.map(
      (node): Finding => ({
        level: 'warning',
        code: 'replica-priority',
        where: node.where,
        what: `Its replica-priority is ${priorityOf(node)}, that of others is not: Sentinel promotes the one with the lowest, however much it lacks, and not the one that has most. What others confirmed for \`durability\` is lost then.`,
        fix,
      }),
    ),
  ];
};
