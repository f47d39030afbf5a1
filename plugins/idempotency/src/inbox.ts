import { type Envelope, EventsError, type HandlerContext } from '@logistically/events-kernel';
import type { InboxClient, InboxConnection, InboxPool } from './connection.ts';
import { type EventKey, eventKey, isEventKey } from './key.ts';
import { transaction } from './transaction.ts';

export interface InboxOptions {
  /**
   * Name of its table, with or without that of a schema: lower-case letters, digits and `_`, up to 50 of them. Default
   * `'events_inbox'`.
   */
  readonly table?: string;
  /** What makes two events the same, as in `idempotency`. Default `'id'`. */
  readonly by?: EventKey;
  /**
   * Tells inboxes of one group and table apart: each handler of a group needs one of its own. Letters, digits, `_`, `.` and `-`, up
   * to 100 of them. Default: that of the group alone.
   */
  readonly name?: string;
}

/** Remembers in the user's own database which events a group has handled: in the transaction that holds what the handler does. */
export interface Inbox {
  /** Makes the table where it is not there. Several processes may do so at once. */
  readonly create: (client: InboxClient) => Promise<void>;
  /**
   * Inside a transaction, before anything else in it: true when the event is new to its group, false when it has been handled. While
   * another transaction is at work on it, waits for that one. Rejects with the signal's reason when that has fired, with
   * `EVENTS_IDEMPOTENCY_KEY`, with `EVENTS_CONFIG` where the client does not tell how many rows were written, or with what the
   * database rejects with; the transaction is to be rolled back then.
   */
  readonly record: (client: InboxClient, event: Envelope, context: HandlerContext) => Promise<boolean>;
  /**
   * Runs `work` in a transaction of its own, unless the event has been handled: true when it ran. Rejects, so that the event comes
   * back, unless the database has confirmed the commit: with what `work` or the database rejects with, or with
   * `EVENTS_IDEMPOTENCY_ROLLED_BACK`. When the signal fires, it gives the connection up at once, so that the server rolls back,
   * and rejects with the signal's reason, whatever `work` does. The client that `work` is given takes no query after `work` has
   * ended (`EVENTS_IDEMPOTENCY_ENDED`).
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
const NAME = /^[\w.-]{1,100}$/;
const PURGE_ROWS = 1000;
/** 3000 years, in ms: what PostgreSQL can take from a date. */
const MAX_AGE_MS = 1e14;

/** What tells whether `work` has left the transaction as it found it. */
const SAVEPOINT = 'events_inbox';
/** No transaction, one that failed, or another one than that with the savepoint. */
const GONE = ['25P01', '25P02', '3B001'];

const check = (right: boolean, message: string): void => {
  if (!right) throw new EventsError('EVENTS_CONFIG', message);
};

/** How many rows a statement wrote, of a client that tells. */
const rowsOf = (result: unknown, most: number): number => {
  const rows = (Object(result) as { rowCount?: unknown }).rowCount;
  check(
    Number.isInteger(rows) && Number(rows) >= 0 && Number(rows) <= most,
    'An inbox needs a client whose `query` resolves with the `rowCount` of the statement, as that of `pg` does: wrap yours.',
  );
  return Number(rows);
};

const release = async (client: InboxClient): Promise<void> => {
  try {
    await client.query(`RELEASE SAVEPOINT ${SAVEPOINT}`);
  } catch (cause) {
    if (!GONE.includes((Object(cause) as { code?: string }).code ?? '')) throw cause;
    throw new EventsError(
      'EVENTS_IDEMPOTENCY_ROLLED_BACK',
      'A statement failed and `work` did not tell, or `work` ended the transaction: throw what queries throw, leave the end to `once`.',
      { cause },
    );
  }
};

/**
 * An inbox in a table of PostgreSQL. Needs no `idempotency` feature: it is called by handlers. Throws `EVENTS_CONFIG`.
 */
export const postgresInbox = (options: InboxOptions = {}): Inbox => {
  check(typeof options === 'object' && options !== null, 'postgresInbox(): give an object of options, or nothing.');
  const { table = 'events_inbox', by = 'id', name: own } = options;
  const [, schema, name = ''] = (typeof table === 'string' && TABLE.exec(table)) || [];
  check(
    name !== '',
    'postgresInbox(): `table` must be a name of lower-case letters, digits and `_`, 50 at most, or schema.name.',
  );
  check(isEventKey(by), "postgresInbox(): `by` must be 'id', 'hash' or a function.");
  check(
    own === undefined || (typeof own === 'string' && NAME.test(own)),
    'postgresInbox(): `name` must be of letters, digits, `_`, `.` and `-`, 100 at most.',
  );
  const quoted = schema === undefined ? `"${name}"` : `"${schema}"."${name}"`;
  const keyOf = eventKey(by);
  // No group has a `/` in it.
  const consumerOf = (group: string): string => (own === undefined ? group : `${group}/${own}`);

  const record: Inbox['record'] = async (client, event, context) => {
    context.signal.throwIfAborted();
    const result = await client.query(
      `INSERT INTO ${quoted} (consumer_group, event_key) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
      [consumerOf(context.group), keyOf(event, context)],
    );
    return rowsOf(result, 1) === 1;
  };

  return {
    async create(client) {
      // One statement, so that it is one transaction on a pool too. `IF NOT EXISTS` alone fails when two do it at once, and
      // where the table is there but no right to make one.
      await client.query(
        `DO $$ BEGIN
          PERFORM pg_advisory_xact_lock(hashtextextended('${table}', 0));
          IF NOT EXISTS (
            SELECT FROM pg_class WHERE oid = to_regclass('${quoted}') AND relkind IN ('r', 'p', 'v', 'f')
          ) THEN
            CREATE TABLE ${quoted} (
              consumer_group text NOT NULL,
              event_key text NOT NULL,
              handled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
              PRIMARY KEY (consumer_group, event_key)
            );
            CREATE INDEX "${name}_handled_at" ON ${quoted} (handled_at);
          END IF;
        END $$`,
      );
    },
    record,
    once: (pool, event, context, work) =>
      transaction(pool, context.signal, async (client, use) => {
        if (!(await record(client, event, context))) return false;
        await client.query(`SAVEPOINT ${SAVEPOINT}`);
        await use(work);
        context.signal.throwIfAborted();
        await release(client);
        return true;
      }),
    async purge(client, olderThanMs) {
      check(
        Number.isFinite(olderThanMs) && olderThanMs >= 0 && olderThanMs <= MAX_AGE_MS,
        `inbox.purge(): \`olderThanMs\` must be from 0 to ${MAX_AGE_MS}, in ms.`,
      );
      let total = 0;
      for (let rows = PURGE_ROWS; rows === PURGE_ROWS; total += rows) {
        // Those that another purge has at hand are left to it.
        const result = await client.query(
          `DELETE FROM ${quoted} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM ${quoted} WHERE handled_at <= now() - $1 * interval '1 ms'
            ORDER BY handled_at LIMIT ${PURGE_ROWS} FOR UPDATE SKIP LOCKED
          ))`,
          [olderThanMs],
        );
        rows = rowsOf(result, PURGE_ROWS);
      }
      return total;
    },
  };
};
