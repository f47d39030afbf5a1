import { EventsError } from '@logistically/events-kernel';
import type { InboxConnection, InboxPool } from './connection.ts';

/** Calls `work` with the client; when `work` has ended, that takes no query any more. */
type Use<Connection> = (work: (client: Connection) => unknown) => Promise<void>;

/** Of a connection that is lost the query under way tells as well. */
const ignore = (): void => {};

/** A connection in use, to be given back once. */
class Loan<Connection extends InboxConnection> {
  readonly client: Connection;
  #open = true;

  constructor(client: Connection) {
    this.client = client;
    // Without a listener the loss of a connection that is in use ends the process.
    client.on('error', ignore);
  }

  get open(): boolean {
    return this.#open;
  }

  end(broken: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    if (!broken) this.client.removeListener('error', ignore);
    try {
      this.client.release(broken);
    } catch {
      // `work` has given it back; that must not end the process where a signal fires.
    }
  }
}

/** The client while `isOpen`: else a branch that `work` left behind would write outside of the transaction, or into the next. */
const guarded = <Connection extends InboxConnection>(client: Connection, isOpen: () => boolean): Connection =>
  new Proxy(client, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function' || property === 'constructor') return value;
      if (property !== 'query') return value.bind(target);
      return (...parts: unknown[]) => {
        if (isOpen()) return value.apply(target, parts);
        throw new EventsError(
          'EVENTS_IDEMPOTENCY_ENDED',
          '`work` has ended or was told to stop, and its transaction is over: let it wait for all that it begins (Promise.allSettled).',
        );
      };
    },
  });

const use =
  <Connection extends InboxConnection>(loan: Loan<Connection>): Use<Connection> =>
  async (work) => {
    let open = true;
    try {
      await work(guarded(loan.client, () => open && loan.open));
    } finally {
      open = false;
    }
  };

/**
 * Runs `steps` in a transaction on a connection of the pool, and resolves when the database has confirmed the commit. When the
 * signal fires, rejects with its reason and closes the connection, whatever goes on: that makes the server roll back.
 */
export const transaction = async <Connection extends InboxConnection, Result>(
  pool: InboxPool<Connection>,
  signal: AbortSignal,
  steps: (client: Connection, use: Use<Connection>) => Promise<Result>,
): Promise<Result> => {
  signal.throwIfAborted();
  let loan: Loan<Connection> | undefined;
  const run = async (): Promise<Result> => {
    const client = await pool.connect();
    if (signal.aborted) client.release();
    signal.throwIfAborted();
    loan = new Loan(client);
    try {
      await client.query('BEGIN');
      const result = await steps(client, use(loan));
      signal.throwIfAborted();
      const { command } = await client.query('COMMIT');
      // What the server answers where a statement has failed, though nobody was told of it.
      if (command !== 'COMMIT')
        throw new EventsError(
          'EVENTS_IDEMPOTENCY_ROLLED_BACK',
          'A statement had failed, so the database took nothing of the transaction: let `work` throw what its queries throw.',
        );
      loan.end(false);
      return result;
    } catch (thrown) {
      if (loan.open) await rollBack(loan);
      throw thrown;
    }
  };
  let stop = ignore;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => {
      loan?.end(true);
      reject(signal.reason);
    };
  });
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([run(), stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};

const rollBack = async <Connection extends InboxConnection>(loan: Loan<Connection>): Promise<void> => {
  try {
    await loan.client.query('ROLLBACK');
    loan.end(false);
  } catch {
    loan.end(true);
  }
};
