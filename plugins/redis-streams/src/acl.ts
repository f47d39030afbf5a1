import { EventsError } from '@logistically/events-kernel';

/** Who a Redis user is for: services that only publish, services that consume (and may publish), people with tools. */
export const ROLES = ['publisher', 'consumer', 'operator', 'sentinel'] as const;

/** `sentinel`: a user on the sentinels themselves, for services and tools alike. The others are users on the servers with the data. */
export type Role = (typeof ROLES)[number];

export interface AclOptions {
  /** Default `events-<role>`. */
  readonly user?: string;
  /** Of the transport. Default `events`. */
  readonly prefix?: string;
  /** Of the server, as in `7.0`. Selectors came with 7.0, `CLIENT SETINFO` with 7.2. Default `7.0`. */
  readonly version?: string;
  /** The database of the URL. Default 0. */
  readonly database?: number;
  readonly topology?: (typeof TOPOLOGIES)[number];
  /** Publishes are confirmed by replicas. */
  readonly durability?: boolean;
  /** What publishes also trims, and what consumes also removes old dead letters. */
  readonly retention?: boolean;
}

export const TOPOLOGIES = ['single', 'sentinel', 'cluster'] as const;

/** What stands in a line as it is: none of it is a word of its own there, or a pattern. */
export const FORMS = {
  prefix: { form: /^[\w.:-]{1,100}$/, takes: 'letters, digits, . : - and _, at most 100' },
  user: { form: /^[\w.@:-]{1,100}$/, takes: 'letters, digits, . @ : - and _, at most 100' },
  version: { form: /^\d{1,3}\.\d{1,3}(\.\d{1,5})?$/, takes: 'a version, such as 7.0' },
} as const;

/** What one part of a rule grants: commands on keys. */
interface Grant {
  readonly keys: readonly string[];
  readonly commands: readonly string[];
}

/** The `events|store:*` keys are a part of their own, so that nobody who may SET and DEL there can do so to a stream. */
interface Rights {
  readonly streams: Grant;
  readonly store?: Grant;
}

const TRIM = ['evalsha', 'xlen', 'xrange', 'xinfo|stream', 'xinfo|groups', 'xpending', 'xtrim', 'time'];

const CONSUME = [
  ...['evalsha', 'time', 'smembers', 'scard', 'zrange', 'zrangebyscore', 'zrem', 'zscore'],
  ...['xread', 'xreadgroup', 'xack', 'xclaim', 'xpending', 'xrange', 'xgroup|create', 'xgroup|createconsumer'],
  ...['xgroup|delconsumer', 'xinfo|stream', 'xinfo|groups', 'xinfo|consumers'],
  ...['client|id', 'client|unblock', 'client|kill'],
];

const PUBLISH = ['xadd', 'zadd', 'sadd', 'eval'];

const OPERATE = [
  ...['xadd', 'xdel', 'xlen', 'xrange', 'xpending', 'xinfo|groups', 'xinfo|consumers', 'sadd', 'smembers', 'sscan'],
  ...['zcard', 'zcount', 'exists', 'type', 'time', 'memory|usage', 'eval', 'evalsha'],
  ...['config|get', 'acl|whoami', 'acl|dryrun'],
];

const STORE = {
  // A shared rate limit.
  publisher: ['eval', 'evalsha', 'get', 'set', 'incrby', 'pttl', 'pexpire'],
  consumer: ['eval', 'evalsha', 'get', 'set', 'del', 'exists', 'incr', 'incrby', 'pttl', 'pexpire'],
  // Whether somebody reads the group that a dead letter is for.
  operator: ['get'],
} as const;

const SENTINEL = [
  ...['ping', 'info', 'client|setname', 'subscribe', 'sentinel|sentinels'],
  ...['sentinel|master', 'sentinel|masters', 'sentinel|replicas', 'sentinel|ckquorum'],
];

const isAtLeast = (version: string, major: number, minor: number): boolean => {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
};

const without = (commands: readonly string[], excess: readonly string[]): string[] =>
  commands.filter((command) => !excess.includes(command));

/** What every connection needs, whatever it is for. */
const connecting = (role: Role, { version = '7.0', database = 0, topology, durability }: AclOptions): string[] => [
  'ping',
  'info',
  'client|setname',
  ...(isAtLeast(version, 7, 2) ? ['client|setinfo'] : []),
  ...(database > 0 ? ['select'] : []),
  ...(topology === 'cluster' ? ['cluster|slots', 'cluster|info', 'asking'] : []),
  ...(topology === 'cluster' && role === 'operator' ? ['cluster|nodes'] : []),
  ...(topology === 'sentinel' ? ['role'] : []),
  ...(durability && role !== 'operator' ? ['wait'] : []),
];

/** What a role on the servers with the data may do. */
export const rightsOf = (role: Exclude<Role, 'sentinel'>, options: AclOptions = {}): Rights => {
  const { prefix = 'events', retention = false } = options;
  const own = {
    publisher: [...PUBLISH, ...(retention ? TRIM : [])],
    consumer: [...PUBLISH, ...CONSUME, ...(retention ? [...without(TRIM, CONSUME), 'xdel'] : [])],
    operator: without(OPERATE, isAtLeast(options.version ?? '7.0', 7, 0) ? [] : ['acl|dryrun']),
  }[role];
  return {
    streams: { keys: [`${prefix}:*`, `${prefix}|topics`], commands: [...connecting(role, options), ...own] },
    store: { keys: [`${prefix}|store:*`], commands: STORE[role] },
  };
};

const tokens = ({ keys, commands }: Grant): string[] => [
  ...keys.map((key) => `~${key}`),
  '-@all',
  ...commands.map((command) => `+${command}`),
];

/** Who gives more than these types allow, or text from elsewhere, is not to get a line that grants more than the role. */
const check = (role: Role, options: AclOptions): void => {
  const refuse = (name: string, takes: string): never => {
    throw new EventsError('EVENTS_CONFIG', `\`${name}\` takes ${takes}.`);
  };
  if (!ROLES.includes(role)) refuse('role', ROLES.join(', '));
  for (const [name, { form, takes }] of Object.entries(FORMS)) {
    const value: unknown = options[name as keyof typeof FORMS];
    if (value !== undefined && !(typeof value === 'string' && form.test(value))) refuse(name, takes);
  }
  const { topology, database = 0 } = options;
  if (topology !== undefined && !TOPOLOGIES.includes(topology)) refuse('topology', TOPOLOGIES.join(', '));
  if (!Number.isInteger(database) || database < 0) refuse('database', 'a whole number from 0');
};

/**
 * The `ACL SETUSER` line of a user who may do what its role needs, and nothing else. `>password` stands for yours. Before Redis 7.0
 * there are no selectors: there the user may do with all keys of the prefix what is meant for the store. Throws `EVENTS_CONFIG`.
 */
export const aclRule = (role: Role, options: AclOptions = {}): string => {
  check(role, options);
  const { user = `events-${role}`, version = '7.0' } = options;
  const head = ['ACL', 'SETUSER', user, 'reset', 'on', '>password'];
  if (role === 'sentinel') {
    const commands = [...SENTINEL, ...(isAtLeast(version, 7, 2) ? ['client|setinfo'] : [])];
    return [...head, '-@all', ...commands.map((command) => `+${command}`), '&+switch-master'].join(' ');
  }
  const { streams, store } = rightsOf(role, options);
  if (!store) return [...head, ...tokens(streams)].join(' ');
  if (isAtLeast(version, 7, 0)) return [...head, ...tokens(streams), `(${tokens(store).join(' ')})`].join(' ');
  const commands = [...new Set([...streams.commands, ...store.commands])];
  return [...head, ...tokens({ keys: [...streams.keys, ...store.keys], commands })].join(' ');
};
