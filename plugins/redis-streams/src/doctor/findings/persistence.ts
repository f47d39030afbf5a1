import type { Facts, NodeFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { settingOf } from './setting.ts';

const TURN_ON = 'CONFIG SET appendonly yes';

const kindFinding = (node: NodeFacts): Finding | undefined => {
  const { where, info } = node;
  if (info.aof_enabled === undefined || info.aof_enabled === '1') return undefined;
  const save = settingOf(node, 'save');
  if (save === '')
    return {
      level: 'error',
      code: 'no-persistence',
      where,
      what: 'Nothing is written to disk: a restart forgets every event.',
      fix: TURN_ON,
    };
  const changes = info.rdb_changes_since_last_save ?? 'unknown';
  return {
    level: 'warning',
    code: 'snapshots-only',
    where,
    what: `There are snapshots and no append-only file: a crash loses what came since the last one (now ${changes} changes).`,
    fix: TURN_ON,
  };
};

const fsyncFinding = (node: NodeFacts): Finding | undefined => {
  if (node.info.aof_enabled !== '1') return undefined;
  const { where, config } = node;
  if (config.appendfsync === 'no')
    return {
      level: 'warning',
      code: 'appendfsync-no',
      where,
      what: 'The append-only file reaches the disk when the system likes (some 30 s): a crash of the machine loses that much.',
      fix: 'CONFIG SET appendfsync everysec',
    };
  if (config.appendfsync === 'always' && config['no-appendfsync-on-rewrite'] === 'yes')
    return {
      level: 'warning',
      code: 'no-appendfsync-on-rewrite',
      where,
      what: 'While the append-only file is rewritten nothing reaches the disk, in spite of appendfsync always.',
      fix: 'CONFIG SET no-appendfsync-on-rewrite no',
    };
  return undefined;
};

const failureFinding = (node: NodeFacts): Finding | undefined => {
  const { where, info, config } = node;
  const fix = 'Look at disk space, rights of `dir` and vm.overcommit_memory = 1 (a fork that fails); then BGSAVE';
  if (info.aof_last_write_status === 'err') {
    const what = 'The last write to the append-only file failed: Redis refuses changes (MISCONF).';
    return { level: 'error', code: 'aof-write-failed', where, what, fix: 'Make room on the disk; then BGREWRITEAOF' };
  }
  if (info.rdb_last_bgsave_status === 'err') {
    const refuses = config['stop-writes-on-bgsave-error'] !== 'no' && config.save !== '';
    const what = `The last snapshot failed${refuses ? ', so that Redis refuses changes (MISCONF)' : ''}.`;
    return { level: refuses ? 'error' : 'warning', code: 'snapshot-failed', where, what, fix };
  }
  if (info.aof_last_bgrewrite_status === 'err') {
    const what = 'The last rewrite of the append-only file failed: it only grows.';
    return { level: 'warning', code: 'aof-rewrite-failed', where, what, fix };
  }
  return undefined;
};

/** What is on disk when a server comes back. */
export const persistenceFindings = ({ nodes }: Facts): Finding[] =>
  nodes
    .flatMap((node) => [kindFinding(node), fsyncFinding(node), failureFinding(node)])
    .filter((finding) => finding !== undefined);
