import type { ClusterFacts, Facts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { numberOf, settingOf } from './setting.ts';

const SLOTS = 16_384;
const LONG_MS = 15_000;

const listed = (items: readonly string[], most = 10): string =>
  items.length <= most ? items.join(', ') : `${items.slice(0, most).join(', ')} and ${items.length - most} more`;

const shapeFindings = ({ where, info, nodes }: ClusterFacts): Finding[] => {
  const findings: Finding[] = [];
  const add = (level: Finding['level'], code: string, what: string, fix: string): void => {
    findings.push({ level, code, where, what, fix });
  };
  const covered = nodes.flatMap(({ slots }) => slots).reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const masters = nodes.filter(({ flags, slots }) => flags.includes('master') && slots.length > 0);
  const failed = nodes.filter(({ flags }) => flags.includes('fail'));
  const broken = Number(info.cluster_slots_fail ?? 0) + Number(info.cluster_slots_pfail ?? 0);
  const isDown = info.cluster_state !== undefined && info.cluster_state !== 'ok';
  // Who may not ask for them sees none: that is told elsewhere.
  if (nodes.length === 0) return [];
  if (covered < SLOTS)
    add(
      'error',
      'slots-uncovered',
      `${SLOTS - covered} of ${SLOTS} slots have no master: their topics cannot be used.`,
      `redis-cli --cluster fix ${where}`,
    );
  else if (broken > 0)
    add(
      'error',
      'slots-failed',
      `${broken} of ${SLOTS} slots have a master that does not answer: their topics cannot be used.`,
      `Start it, or one of its replicas; redis-cli --cluster check ${where}`,
    );
  else if (isDown)
    add(
      'error',
      'cluster-down',
      `cluster_state is ${info.cluster_state}.`,
      `Start the masters that are away; redis-cli --cluster check ${where}`,
    );
  if (failed.length > 0)
    add(
      'error',
      'node-failed',
      `These nodes count as failed: ${listed(failed.map((node) => node.where))}.`,
      'Start them, or CLUSTER FORGET <id> on every other node',
    );
  if (masters.length < 3)
    add(
      'error',
      'few-masters',
      `There are ${masters.length} masters with slots: when one is away the others are no majority to replace it.`,
      'Use three masters or more, on machines of their own',
    );
  return findings;
};

/** Whether every slot is served, and what becomes of it when a node dies. */
export const clusterFindings = ({ topology, cluster, nodes }: Facts): Finding[] => {
  const [view] = cluster;
  if (topology !== 'cluster' || !view) return [];
  const findings = shapeFindings(view);
  const seen = new Set<string>();
  for (const { nodes: known } of cluster) {
    for (const { where, flags, open } of known) {
      if (!flags.includes('myself') || open.length === 0 || seen.has(where)) continue;
      seen.add(where);
      const slot = /^\d+/.exec(open[0] ?? '')?.[0] ?? '<slot>';
      findings.push({
        level: 'warning',
        code: 'slots-open',
        where,
        what: `Slots are being migrated or imported, or were left so: ${listed(open)}.`,
        fix: `If no reshard is under way: redis-cli --cluster fix ${where}, or CLUSTER SETSLOT ${slot} STABLE on both sides`,
      });
    }
  }
  const down = cluster.slice(1).filter(({ info }) => info.cluster_state !== undefined && info.cluster_state !== 'ok');
  if (down.length > 0 && view.info.cluster_state === 'ok')
    findings.push({
      level: 'error',
      code: 'cluster-split',
      where: listed(down.map(({ where }) => where)),
      what: `These masters see the cluster as down, ${view.where} does not: the network is perhaps cut in two.`,
      fix: `redis-cli --cluster check ${view.where}`,
    });
  for (const node of nodes.filter(({ role }) => role === 'master')) {
    if (settingOf(node, 'cluster-require-full-coverage') === 'yes')
      findings.push({
        level: 'warning',
        code: 'full-coverage',
        where: node.where,
        what: 'While one slot has no master this node serves none of its own either.',
        fix: 'CONFIG SET cluster-require-full-coverage no',
      });
    const patience = numberOf(node, 'cluster-node-timeout');
    if (patience !== undefined && patience > LONG_MS)
      findings.push({
        level: 'warning',
        code: 'node-timeout',
        where: node.where,
        what: `A master that is dead is replaced after ${patience} ms at the earliest: until then its topics cannot be used.`,
        fix: 'CONFIG SET cluster-node-timeout 5000',
      });
  }
  return findings;
};
