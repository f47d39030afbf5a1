import { randomBytes } from 'node:crypto';
import { type PostgresService, postgres } from '@logistically/events-conformance/services';
import type { Envelope, HandlerContext } from '@logistically/events-kernel';
import { Pool, type PoolClient } from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { type InboxOptions, postgresInbox } from '../src/index.ts';
import { until } from './node.ts';

const server = await postgres();
afterAll(() => server.stop());

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const placed = (id: string, body: unknown = {}): Envelope =>
  ({ header: { id, type: 'order.placed', hash: `hash of ${JSON.stringify(body)}` }, body }) as unknown as Envelope;
const context = (group = 'mail', signal = new AbortController().signal): HandlerContext => ({
  ...{ transport: 'memory', topic: 'order-events', partition: 0, cursor: '1', attempt: 1, logger: silent },
  ...{ group, signal },
});

/** A pool, an inbox with a table of its own, and a table of effects. */
const office = async (options: InboxOptions = {}, { url }: PostgresService = server) => {
  const pool = new Pool({ connectionString: url });
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

describe('the table', () => {
  test('is made once, however many make it at once, with or without a schema', async () => {
    const { pool } = await office();
    const schema = `schema_${randomBytes(4).toString('hex')}`;
    await pool.query(`CREATE SCHEMA ${schema}`);
    const inbox = postgresInbox({ table: `${schema}.select` });
    const clients = await Promise.all(Array.from({ length: 10 }, () => pool.connect()));
    await Promise.all(clients.map((client) => inbox.create(client)));
    for (const client of clients) client.release();
    expect(await inbox.record(pool, placed('1'), context())).toBe(true);
  });

  test('needs no right to make one where it is there', async () => {
    const { inbox, pool, table } = await office();
    const user = `user_${randomBytes(4).toString('hex')}`;
    await pool.query(`CREATE ROLE ${user} NOLOGIN`);
    await pool.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    await pool.query(`GRANT SELECT, INSERT, DELETE ON ${table} TO ${user}`);
    const client = await pool.connect();
    await client.query(`SET ROLE ${user}`);
    await inbox.create(client);
    expect(await inbox.record(client, placed('1'), context())).toBe(true);
    client.release(true);
  });

  test.each(['', 'a-b', 'Inbox', 'a.b.c', 'x"; DROP TABLE y; --', '1st', 'a'.repeat(51), 7 as unknown as string])(
    'is not called %j',
    (table) => {
      expect(() => postgresInbox({ table })).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
    },
  );
});

describe('record', () => {
  test('knows an event again within its group, once the transaction is committed', async () => {
    const { inbox, begin, end } = await office();
    const first = await begin();
    expect(await inbox.record(first, placed('1'), context())).toBe(true);
    expect(await inbox.record(first, placed('1'), context())).toBe(false);
    expect(await inbox.record(first, placed('2'), context())).toBe(true);
    expect(await inbox.record(first, placed('1'), context('stock'))).toBe(true);
    await end(first, 'ROLLBACK');
    const second = await begin();
    expect(await inbox.record(second, placed('1'), context())).toBe(true);
    await end(second, 'COMMIT');
    const third = await begin();
    expect(await inbox.record(third, placed('1'), context())).toBe(false);
    await end(third, 'COMMIT');
  });

  test.each([
    ['ROLLBACK', true],
    ['COMMIT', false],
  ] as const)(
    'waits for a transaction that is at work on the same event, and after its %s says %s',
    async (how, says) => {
      const { inbox, begin, end, waiting } = await office();
      const [first, second] = [await begin(), await begin()];
      await inbox.record(first, placed('1'), context());
      const answer = inbox.record(second, placed('1'), context());
      await until(async () => (await waiting('transactionid')).length === 1, 'the duplicate waits');
      await end(first, how);
      expect(await answer).toBe(says);
      await end(second, 'COMMIT');
    },
  );

  test('where the isolation forbids to say it, rejects, and says it the next time', async () => {
    const { inbox, begin, end } = await office();
    const late = await begin('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await late.query('SELECT 1');
    const first = await begin();
    await inbox.record(first, placed('1'), context());
    await end(first, 'COMMIT');
    await expect(inbox.record(late, placed('1'), context())).rejects.toMatchObject({ code: '40001' });
    await end(late, 'ROLLBACK');
    const again = await begin('BEGIN ISOLATION LEVEL REPEATABLE READ');
    expect(await inbox.record(again, placed('1'), context())).toBe(false);
    await end(again, 'COMMIT');
  });

  test('takes keys as the feature does: the hash, or what a function names, however odd', async () => {
    const byHash = await office({ by: 'hash' });
    expect(await byHash.inbox.record(byHash.pool, placed('1', 7), context())).toBe(true);
    expect(await byHash.inbox.record(byHash.pool, placed('2', 7), context())).toBe(false);
    expect(await byHash.inbox.record(byHash.pool, placed('3', 8), context())).toBe(true);
    const { inbox, pool } = await office({ by: ({ body }, { topic }) => `${topic} ☃'"; ${body}` });
    expect(await inbox.record(pool, placed('1', 'x'.repeat(10_000)), context())).toBe(true);
    expect(await inbox.record(pool, placed('2', 'x'.repeat(10_000)), context())).toBe(false);
    expect(await inbox.record(pool, placed('3', 'y'), context())).toBe(true);
    const none = postgresInbox({ by: () => '' });
    await expect(none.record(pool, placed('1'), context())).rejects.toMatchObject({ code: 'EVENTS_IDEMPOTENCY_KEY' });
    expect(() => postgresInbox({ by: 'type' as 'id' })).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
  });
});

describe('once', () => {
  test('commits the effect together with the record, and runs nothing for a duplicate', async () => {
    const { inbox, pool, effects, effect } = await office();
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(false);
    expect(await effects()).toBe(1);
  });

  test('leaves a connection as it was', async () => {
    const { inbox, pool, effect } = await office();
    const listeners = async (): Promise<number> => {
      const client = await pool.connect();
      client.release();
      return client.listenerCount('error');
    };
    const before = await listeners();
    await inbox.once(pool, placed('1'), context(), effect);
    expect(await listeners()).toBe(before);
    expect(pool.totalCount).toBe(1);
  });

  test('of many at once runs one, and whoever waited knows it', async () => {
    const { inbox, pool, effects, effect } = await office();
    const many = Array.from({ length: 8 }, () => inbox.once(pool, placed('1'), context(), effect));
    expect((await Promise.all(many)).filter(Boolean)).toHaveLength(1);
    expect(await effects()).toBe(1);
  });

  test('leaves nothing behind where the work fails, not even the record', async () => {
    const { inbox, pool, table, count, effects, effect } = await office();
    const fails = async (client: PoolClient): Promise<void> => {
      await effect(client);
      throw new Error('no');
    };
    await expect(inbox.once(pool, placed('1'), context(), fails)).rejects.toThrow('no');
    expect([await count(table), await effects()]).toEqual([0, 0]);
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
  });

  test('rejects where a statement failed and the work did not tell', async () => {
    const { inbox, pool, table, count, effects, effect } = await office();
    const hushes = async (client: PoolClient): Promise<void> => {
      await effect(client);
      await client.query('SELECT nothing FROM nowhere').catch(() => {});
    };
    await expect(inbox.once(pool, placed('1'), context(), hushes)).rejects.toMatchObject({
      code: 'EVENTS_IDEMPOTENCY_ROLLED_BACK',
    });
    expect([await count(table), await effects()]).toEqual([0, 0]);
  });

  test('takes nothing to the end that was told to stop', async () => {
    const { inbox, pool, effects, effect } = await office();
    const stop = new AbortController();
    const reason = new Error('stopped');
    const stopped = async (client: PoolClient): Promise<void> => {
      await effect(client);
      stop.abort(reason);
    };
    await expect(inbox.once(pool, placed('1'), context('mail', stop.signal), stopped)).rejects.toBe(reason);
    await expect(inbox.once(pool, placed('1'), context('mail', stop.signal), effect)).rejects.toBe(reason);
    await expect(inbox.record(pool, placed('1'), context('mail', stop.signal))).rejects.toBe(reason);
    expect(await effects()).toBe(0);
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
  });

  test('survives the loss of its connection, and gives the pool none that is broken', async () => {
    const { inbox, pool, effects, effect } = await office();
    const loses = async (client: PoolClient): Promise<void> => {
      await effect(client);
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
      const lost = new Promise((resolve) => client.once('end', resolve));
      await pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
      await lost;
    };
    const broken: unknown[] = [];
    pool.on('release', (error) => broken.push(error));
    await expect(inbox.once(pool, placed('1'), context(), loses)).rejects.toThrow(/not queryable|terminat/);
    expect(broken).toEqual([null, true]);
    expect(pool.totalCount).toBe(1);
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
    expect(await effects()).toBe(1);
  });

  test('rejects where the commit was not confirmed, and the record tells that it was there', async () => {
    await using own = await postgres({ sources: ['binary', 'package', 'container'] });
    const { inbox, pool, effects, effect, waiting } = await office({}, own);
    // A standby that never comes: the commit is on disk, and its confirmation is held back.
    const held = (): Promise<number[]> => waiting('SyncRep', 'COMMIT');
    await pool.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await pool.query('SELECT pg_reload_conf()');
    let id = 0;
    let outcome: Promise<unknown> = Promise.resolve();
    // The server takes it in when it comes to it; until then commits are confirmed.
    await until(async () => {
      let confirmed = false;
      outcome = inbox.once(pool, placed(`${++id}`), context(), async (client) => {
        await client.query('SET LOCAL synchronous_commit = on');
        await effect(client);
      });
      const noted = outcome.then(
        () => {
          confirmed = true;
        },
        () => {},
      );
      await Promise.race([noted, until(async () => (await held()).length === 1, 'it is being committed')]);
      return !confirmed;
    }, 'a commit is held back');
    const rejected = expect(outcome).rejects.toThrow();
    await pool.query('SELECT pg_terminate_backend($1)', await held());
    await rejected;
    expect(await effects()).toBe(id);
    expect(await inbox.once(pool, placed(`${id}`), context(), effect)).toBe(false);
    expect(await effects()).toBe(id);
  });
});

describe('purge', () => {
  const aged = async (rows: number) => {
    const there = await office();
    await there.pool.query(
      `INSERT INTO ${there.table} SELECT 'mail', 'old ' || n, now() - interval '2 hours' FROM generate_series(1, $1::int) n`,
      [rows],
    );
    await there.inbox.record(there.pool, placed('new'), context());
    return there;
  };
  const HOUR_MS = 3_600_000;

  test('forgets what is old, in statements of 1000 rows, and nothing else', async () => {
    const { inbox, pool, table, count } = await aged(2000);
    const deleted: (number | null)[] = [];
    const counting = {
      query: async (text: string, values?: unknown[]) => {
        const result = await pool.query(text, values);
        deleted.push(result.rowCount);
        return result;
      },
    };
    expect(await inbox.purge(counting, HOUR_MS)).toBe(2000);
    expect(deleted).toEqual([1000, 1000, 0]);
    expect(await inbox.purge(pool, HOUR_MS)).toBe(0);
    expect(await count(table)).toBe(1);
    expect(await inbox.record(pool, placed('new'), context())).toBe(false);
    expect(await inbox.purge(pool, 0)).toBe(1);
  });

  test('of several at once waits for none', async () => {
    const { inbox, begin, end, pool, table, count } = await aged(2500);
    const slow = await begin();
    await slow.query(`SELECT 1 FROM ${table} WHERE event_key = 'old 1' FOR UPDATE`);
    const [one, two] = await Promise.all([inbox.purge(pool, HOUR_MS), inbox.purge(pool, HOUR_MS)]);
    expect(one + two).toBe(2499);
    await end(slow, 'COMMIT');
    expect(await count(table)).toBe(2);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses an age of %d', async (age) => {
    const { inbox, pool } = await office();
    await expect(inbox.purge(pool, age)).rejects.toMatchObject({ code: 'EVENTS_CONFIG' });
  });
});
