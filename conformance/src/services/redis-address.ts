/** What a client needs to speak TLS with a server, as `node:tls` and ioredis take it. All are PEM texts. */
export interface RedisTls {
  readonly ca: string;
  /** The client's own certificate and its key. */
  readonly cert: string;
  readonly key: string;
  readonly rejectUnauthorized?: boolean;
}

/** Where a Redis server listens and how to log in. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly database?: number;
  readonly tls?: boolean | RedisTls;
}

/** Reads `redis://` and `rediss://` addresses; undefined where the text is none. */
export const parseRedisUrl = (text: string): RedisAddress | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const database = Number(url.pathname.slice(1));
  if (!['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '' || !Number.isInteger(database))
    return undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(database && { database }),
    ...(url.protocol === 'rediss:' && { tls: true }),
  };
};

export const formatRedisUrl = ({ host, port, password, tls }: RedisAddress): string =>
  `${tls ? 'rediss' : 'redis'}://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}${host}:${port}`;
