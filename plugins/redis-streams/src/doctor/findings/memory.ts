import type { Facts, NodeFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { mebibytes, numberOf, settingOf } from './setting.ts';

const LOW = 0.25;
const CRITICAL = 0.05;

const evictionFinding = (node: NodeFacts): Finding | undefined => {
  const policy = settingOf(node, 'maxmemory-policy');
  if (policy === undefined || policy === 'noeviction') return undefined;
  const onlyExpiring = policy.startsWith('volatile-');
  return {
    level: onlyExpiring ? 'warning' : 'error',
    code: 'eviction',
    where: node.where,
    what: onlyExpiring
      ? `With maxmemory-policy ${policy} Redis removes leases, claims and rate limits when it is full.`
      : `With maxmemory-policy ${policy} Redis removes whole streams when it is full, unread events and all.`,
    fix: 'CONFIG SET maxmemory-policy noeviction',
  };
};

const limitFinding = (node: NodeFacts): Finding | undefined => {
  const { where, info } = node;
  const limit = numberOf(node, 'maxmemory');
  const used = Number(info.used_memory);
  const total = Number(info.total_system_memory);
  if (limit === undefined) return undefined;
  if (limit === 0) {
    const advice = total > 0 ? Math.max(Math.floor((total * 0.6) / 1_048_576), 1) : 1024;
    return {
      level: 'warning',
      code: 'no-maxmemory',
      where,
      what: 'There is no maxmemory: when the machine is full its kernel kills Redis, where publishes could be refused instead.',
      fix: `CONFIG SET maxmemory ${advice}mb`,
    };
  }
  if (total > 0 && limit > total)
    return {
      level: 'error',
      code: 'maxmemory-beyond-machine',
      where,
      what: `maxmemory is ${mebibytes(limit)} on a machine that has ${mebibytes(total)}.`,
      fix: `CONFIG SET maxmemory ${Math.max(Math.floor((total * 0.6) / 1_048_576), 1)}mb`,
    };
  const rest = (limit - used) / limit;
  if (!(rest < LOW)) return undefined;
  return {
    level: rest < CRITICAL ? 'error' : 'warning',
    code: 'memory-headroom',
    where,
    what: `${mebibytes(used)} of ${mebibytes(limit)} are used (${Math.round((1 - rest) * 100)} %): at the limit publishes are refused.`,
    fix: `CONFIG SET maxmemory ${Math.ceil((used * 2) / 1_048_576)}mb, or set \`retention\`, or remove groups that nobody reads`,
  };
};

/** What happens when memory is full, and how far that is. */
export const memoryFindings = ({ nodes }: Facts): Finding[] =>
  nodes.flatMap((node) => [evictionFinding(node), limitFinding(node)]).filter((finding) => finding !== undefined);
