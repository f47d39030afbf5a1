import { randomBytes } from 'node:crypto';
import { postgres } from '@logistically/events-conformance/services';
import { createKernel } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { afterAll, describe, expect, test } from 'vitest';
import { type InboxOptions, type InboxResult, postgresInbox } from '../src/index.ts';
import { until } from './node.ts';
import { context, openOffice, placed, silent } from './office.ts';

const server = await postgres();
afterAll(() => server.stop());

const office = (options: InboxOptions = {}) => openOffice(server, options);

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
    await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${user}`);
    const client = await pool.connect();
    await client.query(`SET ROLE ${user}`);
    await inbox.create(client);
    expect(await inbox.record(client, placed('1'), context())).toBe(true);
    expect(await inbox.purge(client, 0)).toBe(1);
    client.release(true);
  });

  test('is not taken for there where something else has its name', async () => {
    const { pool, table } = await office();
    const index = postgresInbox({ table: `${table}_handled_at` });
    await expect(index.create(pool)).rejects.toMatchObject({ code: '42P07' });
  });

  test.each(['', 'a-b', 'Inbox', 'a.b.c', 'x"; DROP TABLE y; --', '1st', 'a'.repeat(51), 7 as unknown as string])(
    'is not called %j',
    (table) => {
      expect(() => postgresInbox({ table })).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
    },
  );
});

test.each([null, 7, { name: '' }, { name: 'a/b' }, { name: 'a'.repeat(101) }, { name: 7 }, { table: null }])(
  'an inbox is not made of %j',
  (options) => {
    expect(() => postgresInbox(options as InboxOptions)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
  },
);

test('each handler of a group has its effect, by an inbox of another name', async () => {
  const { pool, effect, effects, count, table } = await office();
  await using kernel = Object.assign(createKernel({ service: 'billing', logger: silent }).use(memory()), {
    [Symbol.asyncDispose]: async () => void (await kernel.stop()),
  });
  await kernel.start();
  const handled: string[] = [];
  for (const [name, pattern] of [
    ['invoices', 'order.placed'],
    ['audit_log.v-2', 'order.*'],
  ] as const) {
    const inbox = postgresInbox({ table, name });
    await kernel.subscribe(pattern, async (event, delivery) => {
      for (let n = 0; n < 2; n++) await inbox.once(pool, event, delivery, effect);
      handled.push(name);
    });
  }
  await kernel.publish('order.placed', {});
  await until(() => handled.length === 2, 'both have handled it');
  expect([await effects(), await count(table)]).toEqual([2, 2]);
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
    // Halves of characters, as `slice` leaves them.
    expect(await inbox.record(pool, placed('4', '🍏'.slice(0, 1)), context())).toBe(true);
    expect(await inbox.record(pool, placed('5', '🚀'.slice(0, 1)), context())).toBe(true);
    const none = postgresInbox({ by: () => '' });
    await expect(none.record(pool, placed('1'), context())).rejects.toMatchObject({ code: 'EVENTS_IDEMPOTENCY_KEY' });
    expect(() => postgresInbox({ by: 'type' as 'id' })).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
  });
});

test.each([
  ...[undefined, null, [], {}, { rowCount: null }, { rowCount: -1 }, { rowCount: 0.5 }, { rowCount: 1n }],
  ...[{ rowCount: '1' }, { rowCount: 1001 }],
])('a client that answers %o is refused: nothing is dropped for a duplicate, or kept for ever', async (answer) => {
  const inbox = postgresInbox();
  const client = { query: async () => answer as InboxResult };
  const refused = { code: 'EVENTS_CONFIG' };
  await expect(inbox.record(client, placed('1'), context())).rejects.toMatchObject(refused);
  await expect(inbox.purge(client, 1)).rejects.toMatchObject(refused);
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

  test('counts from the record, not from the beginning of its transaction', async () => {
    const { inbox, begin, end, pool, table } = await office();
    const slow = await begin();
    await slow.query('SELECT pg_sleep(0.02)');
    await inbox.record(slow, placed('1'), context());
    const { rows } = await slow.query(`SELECT handled_at >= now() + interval '20 ms' AS late FROM ${table}`);
    await end(slow, 'COMMIT');
    expect(rows).toEqual([{ late: true }]);
    expect(await inbox.purge(pool, 60_000)).toBe(0);
  });

  test('takes an age of 3000 years', async () => {
    const { inbox, pool } = await office();
    expect(await inbox.purge(pool, 1e14)).toBe(0);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 1.1e14, Number.MAX_VALUE])(
    'refuses an age of %d',
    async (age) => {
      const { inbox, pool } = await office();
      await expect(inbox.purge(pool, age)).rejects.toMatchObject({ code: 'EVENTS_CONFIG' });
    },
  );
});
