/** What runs a statement in PostgreSQL: a client or pool of `pg`, or what an ORM has for plain SQL. */
export interface InboxClient {
  query(text: string, values?: unknown[]): PromiseLike<InboxResult>;
}

export interface InboxResult {
  /** How many rows the statement wrote. */
  readonly rowCount: number | null;
}

/** A connection out of a pool, to be given back, as `pg` has it. */
export interface InboxConnection extends InboxClient {
  /** `command` is the first word of the server's answer. */
  query(text: string, values?: unknown[]): PromiseLike<InboxResult & { readonly command: string }>;
  /** `true`: it is broken, and is not to be used again. */
  release(broken?: boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** A pool of connections, as `pg` has it. */
export interface InboxPool<Connection extends InboxConnection = InboxConnection> {
  connect(): Promise<Connection>;
  /** Never called. `pg` has such an overload, and TypeScript infers the type of its connections only where both are named. */
  connect(callback: never): Promise<Connection> | void;
}
