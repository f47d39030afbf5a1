import { rightsOf } from '../acl.ts';
import { createKeys } from '../keys.ts';
import type { Facts, Lack, UserFacts } from './facts.ts';
import type { Session } from './session.ts';

/** Arguments with which each command is one; most take a key and nothing that matters here. */
const SAMPLES: Readonly<Record<string, (key: string) => readonly string[]>> = {
  xadd: (key) => [key, '*', 'e', 'x'],
  zadd: (key) => [key, '0', 'x'],
  sadd: (key) => [key, 'x'],
  select: () => ['0'],
  set: (key) => [key, 'x'],
  incrby: (key) => [key, '1'],
  pexpire: (key) => [key, '1'],
  sscan: (key) => [key, '0'],
  zscore: (key) => [key, 'x'],
  zrem: (key) => [key, 'x'],
  zrange: (key) => [key, '0', '1'],
  zrangebyscore: (key) => [key, '0', '1'],
  zcount: (key) => [key, '0', '1'],
  eval: (key) => ['return 1', '1', key],
  evalsha: (key) => ['0000000000000000000000000000000000000000', '1', key],
  xread: (key) => ['STREAMS', key, '0'],
  xreadgroup: (key) => ['GROUP', 'g', 'c', 'STREAMS', key, '>'],
  xack: (key) => [key, 'g', '0-1'],
  xclaim: (key) => [key, 'g', 'c', '0', '0-1'],
  xpending: (key) => [key, 'g'],
  xrange: (key) => [key, '-', '+'],
  xdel: (key) => [key, '0-1'],
  'xgroup|create': (key) => [key, 'g', '$'],
  'xgroup|createconsumer': (key) => [key, 'g', 'c'],
  'xgroup|delconsumer': (key) => [key, 'g', 'c'],
  'xinfo|consumers': (key) => [key, 'g'],
  'client|setname': () => ['x'],
  'client|unblock': () => ['1'],
  'client|kill': () => ['ID', '1'],
  'config|get': () => ['maxmemory'],
  'acl|dryrun': () => ['default', 'ping'],
};
const KEYLESS = new Set([
  ...['ping', 'info', 'time', 'role', 'asking', 'client|id', 'acl|whoami'],
  ...['cluster|slots', 'cluster|info', 'cluster|nodes'],
]);

const sampleOf = (command: string, key: string): readonly string[] => {
  const args = SAMPLES[command]?.(key) ?? (KEYLESS.has(command) ? [] : [key]);
  return [...command.split('|'), ...args];
};

/** True when he may, false when not; undefined where the server does not tell. */
const may = async (session: Session, user: string, words: readonly string[]): Promise<boolean | undefined> => {
  const { reply, error } = await session.attempt('acl', 'dryrun', user, ...words);
  return error === undefined ? reply === 'OK' : undefined;
};

/** What the user of this connection may do, as far as the server tells (ACL DRYRUN, from 7.0 on). */
export const probeUser = async (
  session: Session,
  options: Pick<Facts, 'prefix' | 'topology' | 'database'>,
): Promise<Omit<UserFacts, 'refused'>> => {
  const whoami = await session.ask('acl', 'whoami');
  const name = typeof whoami === 'string' ? whoami : undefined;
  const unknown = { name, mayDoAll: undefined, lacks: undefined };
  if (name === undefined || (await may(session, name, ['ping'])) === undefined) return unknown;
  const keys = createKeys(options.prefix);
  const refused = async (commands: readonly string[], keyOf: (command: string) => string): Promise<string[]> => {
    const answers = await Promise.all(commands.map((each) => may(session, name, sampleOf(each, keyOf(each)))));
    return commands.filter((_, index) => answers[index] === false);
  };
  const lackOf = async (role: 'publisher' | 'consumer' | 'operator'): Promise<Lack> => {
    const { streams, store } = rightsOf(role, options);
    const keyOf = (command: string): string =>
      /^s(add|members|card|scan)$/.test(command) ? keys.topics : keys.stream('a', 0);
    return {
      streams: await refused(streams.commands, keyOf),
      store: await refused(store?.commands ?? [], () => keys.store('a')),
    };
  };
  const lacks = {
    publisher: await lackOf('publisher'),
    consumer: await lackOf('consumer'),
    operator: await lackOf('operator'),
  };
  return { name, mayDoAll: await may(session, name, ['flushall']), lacks };
};
