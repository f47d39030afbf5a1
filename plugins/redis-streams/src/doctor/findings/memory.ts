import type { Facts, NodeFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { mebibytes, numberOf, settingOf } from './setting.ts';

const LOW = 0.25;
const CRITICAL = 0.05;
const MIB = 1_048_576;

/** So much of a machine Redis may have at most: the rest is for the system, its buffers and what a fork copies. */
const SHARE = 0.8;

/** A limit near to what is wanted, above what is used and with head-room, in MiB; undefined where the machine has none. */
const limitOf = (wanted: number, used: number, total: number): number | undefined => {
  const most = total > 0 ? total * SHARE : Number.POSITIVE_INFINITY;
  const least = used / (1 - LOW) + MIB;
  return least > most ? undefined : Math.floor(Math.max(Math.min(wanted, most), least) / MIB);
};

const SPACE = 'a machine with more memory, `retention`, or no groups that nobody reads';
const fixOf = (limit: number | undefined, otherwise = ''): string =>
  limit === undefined
    ? `It takes ${SPACE}: no limit leaves head-room on this one`
    : `CONFIG SET maxmemory ${limit}mb${otherwise}`;

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
  const total = Number(info.total_system_memory ?? 0);
  if (limit === undefined || info.used_memory === undefined) return undefined;
  if (limit === 0)
    return {
      level: 'warning',
      code: 'no-maxmemory',
      where,
      what: 'There is no maxmemory: when the machine is full its kernel kills Redis, where publishes could be refused instead.',
      fix: fixOf(limitOf(total > 0 ? total * 0.6 : 1024 * MIB, used, total)),
    };
  if (total > 0 && limit > total)
    return {
      level: 'error',
      code: 'maxmemory-beyond-machine',
      where,
      what: `maxmemory is ${mebibytes(limit)} on a machine that has ${mebibytes(total)}.`,
      fix: fixOf(limitOf(total * 0.6, used, total)),
    };
  const rest = (limit - used) / limit;
  if (!(rest < LOW)) return undefined;
  return {
    level: rest < CRITICAL ? 'error' : 'warning',
    code: 'memory-headroom',
    where,
    what: `${mebibytes(used)} of ${mebibytes(limit)} are used (${Math.round((1 - rest) * 100)} %): at the limit publishes are refused.`,
    fix: fixOf(limitOf(used * 2, used, total), `, or ${SPACE}`),
  };
};

/** What happens when memory is full, and how far that is. */
export const memoryFindings = ({ nodes }: Facts): Finding[] =>
  nodes.flatMap((node) => [evictionFinding(node), limitFinding(node)]).filter((finding) => finding !== undefined);
