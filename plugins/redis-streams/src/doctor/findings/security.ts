import { aclRule } from '../../acl.ts';
import type { Facts, UserFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';

const rightsFindings = ({ name, lacks, mayDoAll }: UserFacts, { prefix, topology }: Facts): Finding[] => {
  const where = `user ${name ?? 'unknown'}`;
  if (!lacks)
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
        fix: aclRule('consumer', { prefix, topology }),
      },
    ];
  const roles = Object.entries(lacks) as [keyof typeof lacks, readonly string[]][];
  if (roles.some(([, missing]) => missing.length === 0)) return [];
  const [role, missing] = roles.toSorted(([, one], [, other]) => one.length - other.length)[0] as (typeof roles)[0];
  return [
    {
      level: 'error',
      code: 'rights-missing',
      where,
      what: `This user may not do what a ${role} must, the role that it is nearest to. It lacks, on our keys: ${missing.join(', ')}.`,
      fix: aclRule(role, { prefix, topology, ...(name !== undefined && { user: name }) }),
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
  if (user.refused.length > 0)
    findings.push({
      level: 'info',
      code: 'not-looked-at',
      where: `user ${user.name ?? 'unknown'}`,
      what: `Some things could not be looked at: the user may not use, or the server does not know, ${user.refused.join(', ')}.`,
      fix: aclRule('operator', { prefix: facts.prefix, topology: facts.topology }),
    });
  return findings;
};
