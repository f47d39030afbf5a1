import { randomBytes } from 'node:crypto';
import type { PostgresService } from '@logistically/events-conformance/services';
import type { Envelope, HandlerContext } from '@logistically/events-kernel';
import { Pool, type PoolClient, type PoolConfig } from 'pg';
import { onTestFinished } from 'vitest';
import { type InboxOptions, postgresInbox } from '../src/index.ts';

export const silent = { debug() {}, info() {}, warn() {}, error() {} };
export const placed = (id: string, body: unknown = {}): Envelope =>
  ({ header: { id, type: 'order.placed', hash: `hash of ${JSON.stringify(body)}` }, body }) as unknown as Envelope;
export const context = (group = 'mail', signal = new AbortController().signal): HandlerContext => ({
  ...{ transport: 'memory', topic: 'order-events', partition: 0, cursor: '1', attempt: 1, logger: silent },
  ...{ group, signal },
});

/** A pool, an inbox with a table of its own, and a table of effects. */
export const openOffice = async ({ url }: PostgresService, options: InboxOptions = {}, pooling: PoolConfig = {}) => {
  const pool = new Pool({ connectionString: url, ...pooling });
  // Of idle connections, when a test's own server stops.
  pool.on('error', () => {});
  // Not waited for: a test that fails may leave a client with somebody.
  onTestFinished(() => void pool.end());
  const suffix = randomBytes(4).toString('hex');
  const table = `inbox_${suffix}`;
  const inbox = postgresInbox({ table, ...options });
  await inbox.create(pool);
  await pool.query(`CREATE TABLE effects_${suffix} (n int)`);
  const count = async (name: string): Promise<number> =>
    Number((await pool.query(`SELECT count(*) FROM ${name}`)).rows[0].count);
  const effect = (client: PoolClient) => client.query(`INSERT INTO effects_${suffix} VALUES (1)`);
  const begin = async (how = 'BEGIN'): Promise<PoolClient> => {
    const client = await pool.connect();
    await client.query(how);
    return client;
  };
  const end = async (client: PoolClient, how: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
    await client.query(how);
    client.release();
  };
  /** Backends that wait, and for what; only those of this database's tests that mention the table. */
  const waiting = async (kind: string, text = table): Promise<number[]> => {
    const query = 'SELECT pid FROM pg_stat_activity WHERE $1 IN (wait_event_type, wait_event) AND query LIKE $2';
    return (await pool.query(query, [kind, `%${text}%`])).rows.map(({ pid }) => pid as number);
  };
  return { pool, inbox, table, count, effects: () => count(`effects_${suffix}`), effect, begin, end, waiting };
};
