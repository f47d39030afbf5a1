import { type AclOptions, aclRule, type Role, rightsOf } from '../../acl.ts';
import type { Facts, Lack, UserFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { argument } from './argument.ts';

/** What a line depends on: of several servers it has to be taken by the oldest. */
const lineOptionsOf = ({ prefix, topology, database, nodes }: Facts): AclOptions => {
  const versions = nodes.map(({ info }) => /^\d{1,3}\.\d{1,3}/.exec(info.redis_version ?? '')?.[0] ?? '7.0');
  const [version = '7.0'] = versions.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  return { prefix, topology, database, version };
};

/** Gives what is missing and touches nothing else: a selector of its own, whatever keys and commands the user has. */
const grantOf = (name: string, { streams, store }: Lack, prefix: string): string => {
  const selector = (keys: string, commands: readonly string[]): string[] =>
    commands.length > 0 ? [`(${keys} ${commands.map((command) => `+${command}`).join(' ')})`] : [];
  const selectors = [...selector(`~${prefix}:* ~${prefix}|topics`, streams), ...selector(`~${prefix}|store:*`, store)];
  return ['ACL SETUSER', /^[\w.@:-]+$/.test(name) ? name : argument(name), ...selectors].join(' ');
};

const rightsFindings = ({ name, lacks, mayDoAll }: UserFacts, facts: Facts): Finding[] => {
  const where = `user ${name ?? 'unknown'}`;
  if (!lacks || name === undefined)
    return [
      {
        level: 'info',
        code: 'rights-unknown',
        where,
        what: 'The server does not tell what this user may do (ACL DRYRUN: Redis 7.0, and the right to it).',
        fix: 'Compare ACL GETUSER with events-doctor --acl publisher, consumer or operator',
      },
    ];
  if (mayDoAll)
    return [
      {
        level: 'info',
        code: 'all-rights',
        where,
        what: 'This user may do everything, FLUSHALL included. Services need far less.',
        fix: aclRule('consumer', lineOptionsOf(facts)),
      },
    ];
  const missing = ({ streams, store }: Lack): number => streams.length + store.length;
  const size = (role: keyof typeof lacks): number =>
    rightsOf(role, { topology: facts.topology }).streams.commands.length;
  // Of two that lack the same the one with more rights: nobody has those by chance.
  const [nearest] = (Object.keys(lacks) as (keyof typeof lacks)[]).toSorted(
    (one, other) => missing(lacks[one]) - missing(lacks[other]) || size(other) - size(one),
  );
  const role = nearest ?? 'publisher';
  if (missing(lacks[role]) === 0) return [];
  const { streams, store } = lacks[role];
  return [
    {
      level: 'error',
      code: 'rights-missing',
      where,
      what: `This user may not do what a ${role} must, the role that it is nearest to. It lacks, on our keys: ${[...new Set([...streams, ...store])].join(', ')}.`,
      fix: grantOf(name, lacks[role], facts.prefix),
    },
  ];
};

const unseenFindings = (
  name: string | undefined,
  refused: readonly string[],
  role: Extract<Role, 'operator' | 'sentinel'>,
  facts: Facts,
): Finding[] => {
  if (refused.length === 0) return [];
  // Of sentinels the version is not known.
  const line = aclRule(role, role === 'sentinel' ? {} : lineOptionsOf(facts));
  return [
    {
      level: 'info',
      code: 'not-looked-at',
      where: `user ${name ?? 'unknown'}`,
      what: `Some things could not be looked at: the user may not use, or the server does not know, ${refused.join(', ')}.`,
      // Who is there already would get another password.
      fix: name === `events-${role}` ? `Compare ACL GETUSER ${name} with ${line}` : line,
    },
  ];
};

/** Who may do what, and who may listen. */
export const securityFindings = (facts: Facts): Finding[] => {
  const { nodes, sentinels, user } = facts;
  const findings: Finding[] = [];
  for (const { where, isOpen, isLoopback } of [...nodes, ...sentinels]) {
    if (!isOpen) continue;
    findings.push({
      level: isLoopback ? 'warning' : 'error',
      code: 'open',
      where,
      what: 'It takes commands from everybody who reaches it: the default user has no password.',
      fix: 'ACL SETUSER default off, once services, replicas and sentinels have users of their own (events-doctor --acl)',
    });
  }
  for (const { where, isTls, isLoopback } of nodes) {
    if (isTls || isLoopback) continue;
    findings.push({
      level: 'warning',
      code: 'plaintext',
      where,
      what: 'Passwords and events cross the network in the clear.',
      fix: 'Set tls-port, tls-cert-file, tls-key-file and tls-ca-cert-file, then connect with rediss://',
    });
  }
  findings.push(...rightsFindings(user, facts));
  findings.push(
    ...unseenFindings(user.name, user.refused, 'operator', facts),
    ...unseenFindings('of the sentinels', facts.sentinelRefused, 'sentinel', facts),
  );
  return findings;
};
