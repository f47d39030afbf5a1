import type { RedisTlsOptions } from './redis-tls.ts';

/** Where a Redis server can come from. */
export type RedisSource = 'environment' | 'container' | 'binary' | 'package';

export interface RedisOptions {
  /** Keep an append-only file, so that data survive `restart()` and `kill()`. Default: nothing survives. */
  readonly appendonly?: boolean;
  readonly appendfsync?: 'always' | 'everysec' | 'no';
  /** Further arguments of `redis-server`, such as `['--maxmemory', '8mb']`. */
  readonly args?: readonly string[];
  readonly password?: string;
  /** ACL lines, such as `'events on >secret ~* &* +@all'`. The user `default` stays the one of `cli`. */
  readonly users?: readonly string[];
  /** Listen with TLS and with nothing else; `true` is `{}`. Not in a container. Default false. */
  readonly tls?: boolean | RedisTlsOptions;
  /**
   * A server that can be restarted and frozen is wanted: the address in the environment is only taken when no other
   * source has one. `can` of the result says what came of it. Default false.
   */
  readonly exclusive?: boolean;
  /** The sources to try, in this order. Default: environment, container, binary, package. */
  readonly sources?: readonly RedisSource[];
  /** The container's image. Default `redis:7.0`. */
  readonly image?: string;
}

/** The options that only a server of our own can fulfil. */
export const isConfigured = ({ appendonly, appendfsync, args, password, users, tls }: RedisOptions): boolean =>
  [appendonly, appendfsync, args, password, users, tls].some((option) => option !== undefined);

/** What `redis-server` is told of the data and of who may see them. */
type DataOptions = Pick<RedisOptions, 'appendonly' | 'appendfsync' | 'args' | 'password' | 'users'>;

/** The arguments of `redis-server` that mean the same in every place where it runs. */
export const serverArguments = ({ appendonly, appendfsync, args, password, users = [] }: DataOptions): string[] => [
  '--save',
  '',
  '--appendonly',
  appendonly ? 'yes' : 'no',
  ...(appendfsync === undefined ? [] : ['--appendfsync', appendfsync]),
  ...(password === undefined ? [] : ['--requirepass', password]),
  ...users.flatMap((line) => ['--user', ...line.trim().split(/\s+/)]),
  ...(args ?? []),
];
