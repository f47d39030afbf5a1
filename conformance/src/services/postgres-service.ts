/** A running PostgreSQL server. */
export interface PostgresService extends AsyncDisposable {
  /** As clients take it: `postgres://user@host:port/database`. Its user may create tables. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Whether it was there before (`environment`) or was started for the caller, and how. */
  readonly source: 'environment' | 'container' | 'binary';
  /** Ends a server that was started for the caller and removes its data. May be called more than once. */
  stop(): Promise<void>;
}

/** What became of asking one source for a server: a server, or the reason why there is none. */
export type PostgresAttempt = { readonly service: PostgresService } | { readonly reason: string };

/** A server at a URL; `dispose` ends it. */
export const postgresService = (
  url: string,
  source: PostgresService['source'],
  dispose: () => Promise<void>,
): PostgresService => {
  const { hostname, port } = new URL(url);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= dispose();
    return stopped;
  };
  return {
    url,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 5432),
    source,
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
