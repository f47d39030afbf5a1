import type { Facts, NodeFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { mebibytes, numberOf } from './setting.ts';

const LOW = 0.25;
/** What a reply may need: as many events as are read at once, each as large as the default limit lets it be. */
const REPLY_BYTES = 64 * 1_048_576;
/** The largest event with the default `maxBytes`, as base64 and with some more around it. */
const EVENT_BYTES = 2 * 1_048_576;

const countFinding = ({ where, info, config }: NodeFacts): Finding | undefined => {
  const most = Number(config.maxclients ?? info.maxclients);
  const count = Number(info.connected_clients);
  const rest = (most - count) / most;
  if (!(rest < LOW)) return undefined;
  return {
    level: rest < 0.05 ? 'error' : 'warning',
    code: 'maxclients',
    where,
    what: `${count} of ${most} connections are taken: beyond that new ones are refused.`,
    fix: `CONFIG SET maxclients ${most * 2} (and the limit of open files), or find out who does not close his: CLIENT LIST`,
  };
};

const idleFinding = (node: NodeFacts): Finding | undefined => {
  const seconds = numberOf(node, 'timeout');
  if (seconds === undefined || seconds === 0) return undefined;
  return {
    level: 'info',
    code: 'idle-timeout',
    where: node.where,
    what: `Connections that are idle for ${seconds} s are closed: publishers that are quiet for that long connect anew. Blocked readers are exempt.`,
    fix: 'CONFIG SET timeout 0',
  };
};

const bufferFinding = ({ where, config }: NodeFacts): Finding | undefined => {
  const [, hard, soft, seconds] = /normal (\d+) (\d+) (\d+)/.exec(config['client-output-buffer-limit'] ?? '') ?? [];
  const limits = [hard, soft].map(Number).filter((limit) => limit > 0 && limit < REPLY_BYTES);
  if (seconds === undefined || limits.length === 0) return undefined;
  return {
    level: 'warning',
    code: 'output-buffer',
    where,
    what: `Connections with more than ${mebibytes(Math.min(...limits))} of replies are closed: a read of many large events may never arrive.`,
    fix: 'CONFIG SET client-output-buffer-limit "normal 0 0 0"',
  };
};

const sizeFinding = (node: NodeFacts): Finding | undefined => {
  const limit = numberOf(node, 'proto-max-bulk-len');
  if (limit === undefined || limit >= EVENT_BYTES) return undefined;
  return {
    level: 'warning',
    code: 'bulk-length',
    where: node.where,
    what: `Redis takes no value above ${mebibytes(limit)}: an event of the default maxBytes (1 MiB, base64 for bytes) needs 2 MiB.`,
    fix: 'CONFIG SET proto-max-bulk-len 512mb',
  };
};

/** What closes, refuses or cuts connections. */
export const connectionFindings = ({ nodes }: Facts): Finding[] =>
  nodes
    .flatMap((node) => [countFinding(node), idleFinding(node), bufferFinding(node), sizeFinding(node)])
    .filter((finding) => finding !== undefined);
