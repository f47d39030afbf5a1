import { type Envelope, EventsError, type HandlerContext } from '@logistically/events-kernel';
import { type EventKey, eventKey, isEventKey } from './key.ts';

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

export interface InboxOptions {
  /**
   * Name of its table, with or without that of a schema: lower-case letters, digits and `_`, up to 50 of them. Default
   * `'events_inbox'`.
   */
  readonly table?: string;
  /** What makes two events the same, as in `idempotency`. Default `'id'`. */
  readonly by?: EventKey;
}

/** Remembers in the user's own database which events a group has handled: in the transaction that holds what the handler does. */
export interface Inbox {
  /** Makes the table where it is not there. Several processes may do so at once. */
  readonly create: (client: InboxClient) => Promise<void>;
  /**
   * Inside a transaction, before anything else in it: true when the event is new to its group, false when it has been handled. While
   * another transaction is at work on it, waits for that one. Rejects with the signal's reason when that has fired, with
   * `EVENTS_IDEMPOTENCY_KEY`, or with what the database rejects with; the transaction is to be rolled back then.
   */
  readonly record: (client: InboxClient, event: Envelope, context: HandlerContext) => Promise<boolean>;
  /**
   * Runs `work` in a transaction of its own, unless the event has been handled: true when it ran. Rejects, so that the event comes
   * back, unless the database has confirmed the commit: with what `work` or the database rejects with, with the signal's reason,
   * or with `EVENTS_IDEMPOTENCY_ROLLED_BACK`.
   */
  readonly once: <Connection extends InboxConnection>(
    pool: InboxPool<Connection>,
    event: Envelope,
    context: HandlerContext,
    work: (client: Connection) => unknown,
  ) => Promise<boolean>;
  /** Forgets what was handled longer than `olderThanMs` ago, 1000 rows a statement. Resolves with how many it were. */
  readonly purge: (client: InboxClient, olderThanMs: number) => Promise<number>;
}

/** Leaves room for the name of the index within the 63 bytes that PostgreSQL keeps of a name. */
const TABLE = /^(?:([a-z_][a-z0-9_]{0,49})\.)?([a-z_][a-z0-9_]{0,49})$/;
const PURGE_ROWS = 1000;

/** Of a connection that is lost the query under way tells as well. */
const ignore = (): void => {};

/**
 * An inbox in a table of PostgreSQL. Needs no `idempotency` feature: it is called by handlers. Throws `EVENTS_CONFIG`.
 */
export const postgresInbox = (options: InboxOptions = {}): Inbox => {
  const { table = 'events_inbox', by = 'id' } = options;
  const [, schema, name] = TABLE.exec(table) ?? [];
  if (name === undefined)
    throw new EventsError(
      'EVENTS_CONFIG',
      'postgresInbox(): `table` must be a name of lower-case letters, digits and `_`, 50 at most, or schema.name.',
    );
  if (!isEventKey(by))
    throw new EventsError('EVENTS_CONFIG', "postgresInbox(): `by` must be 'id', 'hash' or a function.");
  const quoted = schema === undefined ? `"${name}"` : `"${schema}"."${name}"`;
  const keyOf = eventKey(by);

  const record: Inbox['record'] = async (client, event, context) => {
    context.signal.throwIfAborted();
    const { rowCount } = await client.query(
      `INSERT INTO ${quoted} (consumer_group, event_key) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
      [context.group, keyOf(event, context)],
    );
    return rowCount === 1;
  };

  return {
    async create(client) {
      // One statement, so that it is one transaction on a pool too. `IF NOT EXISTS` alone fails when two do it at once, and
      // where the table is there but no right to make one.
      await client.query(
        `DO $$ BEGIN
          PERFORM pg_advisory_xact_lock(hashtextextended('${table}', 0));
          IF to_regclass('${quoted}') IS NULL THEN
            CREATE TABLE ${quoted} (
              consumer_group text NOT NULL,
              event_key text NOT NULL,
              handled_at timestamptz NOT NULL DEFAULT now(),
              PRIMARY KEY (consumer_group, event_key)
            );
            CREATE INDEX "${name}_handled_at" ON ${quoted} (handled_at);
          END IF;
        END $$`,
      );
    },
    record,
    async once(pool, event, context, work) {
      context.signal.throwIfAborted();
      const client = await pool.connect();
      // Without a listener the loss of a connection that is in use ends the process.
      client.on('error', ignore);
      let broken = false;
      try {
        await client.query('BEGIN');
        const first = await record(client, event, context);
        if (first) await work(client);
        context.signal.throwIfAborted();
        const { command } = await client.query('COMMIT');
        // What the server answers after a statement that failed, though nobody was told of it.
        if (command !== 'COMMIT')
          throw new EventsError(
            'EVENTS_IDEMPOTENCY_ROLLED_BACK',
            'A statement had failed, so the database took nothing of the transaction: let `work` throw what its queries throw.',
          );
        return first;
      } catch (thrown) {
        try {
          await client.query('ROLLBACK');
        } catch {
          broken = true;
        }
        throw thrown;
      } finally {
        client.removeListener('error', ignore);
        client.release(broken);
      }
    },
    async purge(client, olderThanMs) {
      if (!(Number.isFinite(olderThanMs) && olderThanMs >= 0))
        throw new EventsError('EVENTS_CONFIG', 'inbox.purge(): `olderThanMs` must be 0 or more, in ms.');
      let total = 0;
      for (let rows = PURGE_ROWS; rows === PURGE_ROWS; total += rows) {
        // Those that another purge has at hand are left to it.
        const { rowCount } = await client.query(
          `DELETE FROM ${quoted} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM ${quoted} WHERE handled_at <= now() - $1 * interval '1 ms'
            ORDER BY handled_at LIMIT ${PURGE_ROWS} FOR UPDATE SKIP LOCKED
          ))`,
          [olderThanMs],
        );
        rows = rowCount ?? 0;
      }
      return total;
    },
  };
};
