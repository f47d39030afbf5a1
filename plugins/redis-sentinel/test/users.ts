import { type AclOptions, aclRule } from '@logistically/events-redis-streams';

/** A line of `ACL SETUSER` as servers take it in their configuration. */
export const userOf = (line: string, password: string): string =>
  line.replace('ACL SETUSER ', '').replace('>password', `>${password}`);

/** One user with the rights of all roles. */
export const everyRole = (user: string, password: string, options: AclOptions): string => {
  const [first, ...others] = (['consumer', 'publisher', 'operator'] as const).map((role) =>
    userOf(aclRule(role, { user, ...options }), password),
  );
  const more = others.flatMap((line) => {
    // What a role begins with would take away what the one before has given.
    const words = line.split(' ').slice(4);
    const selector = words.findIndex((word) => word.startsWith('('));
    return words.filter((word, index) => index >= selector || word !== '-@all');
  });
  return [first, ...more].join(' ');
};

/** What a server has refused to users: whom, and what. Clients tell their version where it is taken, and go on where not. */
export const refusalsOf = async (server: {
  readonly cli: (...args: string[]) => Promise<unknown>;
}): Promise<string[]> => {
  const log = (await server.cli('ACL', 'LOG', '1000')) as unknown[][];
  const field = (entry: unknown[], name: string): string => String(entry[entry.indexOf(name) + 1]);
  return log
    .map((entry) => `${field(entry, 'username')} ${field(entry, 'reason')} ${field(entry, 'object')}`)
    .filter((refusal) => !refusal.endsWith('client|setinfo'));
};
