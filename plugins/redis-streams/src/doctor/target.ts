import { isIP } from 'node:net';
import { EventsError } from '@logistically/events-kernel';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/** What is to be looked at. */
export interface Target {
  /** Servers or, with `master`, sentinels. */
  readonly addresses: readonly [Address, ...Address[]];
  /** Of the servers with the data. */
  readonly credentials: Credentials;
  /** Of the sentinels; those of the servers where they are not given. */
  readonly sentinelCredentials: Credentials | undefined;
  readonly database: number;
  readonly isTls: boolean;
  /** Name of the master that sentinels watch. */
  readonly master: string | undefined;
}

const FORM = /^(rediss?)(\+sentinel)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOST = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i;

const refuse = (message: string): never => {
  throw new EventsError('EVENTS_CONFIG', message);
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const credentialsOf = (username: string | undefined, password: string | undefined): Credentials => ({
  ...(username && { username: decoded(username) }),
  ...(password && { password: decoded(password) }),
});

const addressOf = (text: string, port: number): Address => {
  const [, v6, name, given] = HOST.exec(text) ?? refuse('The URL has a host that is none.');
  return { host: (v6 ?? name) as string, port: given === undefined ? port : Number(given) };
};

/**
 * Reads `redis://user:password@host:6379/0`, `rediss://…`, and `redis+sentinel://host:26379,host:26379/mymaster`, where the user is
 * that of the servers, and `?sentinelUser=…&sentinelPassword=…` that of the sentinels. Throws `EVENTS_CONFIG` for what is no such URL,
 * without repeating it.
 */
export const targetOf = (url: string): Target => {
  const [, scheme, sentinel, user = '', hosts = '', path = '', query = ''] =
    FORM.exec(url) ??
    refuse(
      'The URL is none: redis://host:6379, rediss://host:6379 or redis+sentinel://host:26379,host:26379/mymaster.',
    );
  const colon = user.indexOf(':');
  const [name, password] = colon < 0 ? [user, ''] : [user.slice(0, colon), user.slice(colon + 1)];
  // As it is written: it is decoded once, and as what stands before the @ is.
  const asked = new Map(query.split('&').map((pair) => /^([^=]*)=?(.*)$/s.exec(pair)?.slice(1) as [string, string]));
  const [first, ...rest] = hosts.split(',').map((host) => addressOf(host, sentinel ? 26379 : 6379));
  if (rest.length > 0 && !sentinel) refuse('Give one node of a cluster: the others are found.');
  if (sentinel && path === '') refuse('Say which master, as in redis+sentinel://host:26379/mymaster.');
  const database = sentinel ? (asked.get('db') ?? '0') : path || '0';
  if (!/^\d{1,5}$/.test(database)) refuse('The database of the URL is a number, such as 0.');
  const hasOwn = asked.has('sentinelUser') || asked.has('sentinelPassword');
  return {
    addresses: [first as Address, ...rest],
    credentials: credentialsOf(name, password),
    sentinelCredentials: hasOwn ? credentialsOf(asked.get('sentinelUser'), asked.get('sentinelPassword')) : undefined,
    database: Number(database),
    isTls: scheme === 'rediss',
    master: sentinel ? decoded(path) : undefined,
  };
};

export const formatAddress = ({ host, port }: Address): string =>
  isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;

export const isLoopback = ({ host }: Address): boolean => /^(localhost|127(\.\d+){3}|::1)$/.test(host);
