import { postgres } from '@logistically/events-conformance/services';
import type { Pool, PoolClient, PoolConfig } from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { until } from './node.ts';
import { context, openOffice, placed } from './office.ts';

const server = await postgres();
afterAll(() => server.stop());

const office = (options: PoolConfig = {}) => openOffice(server, {}, options);

/** The pool, with something done before each query that `once` itself sends. */
const meddled = (
  pool: Pool,
  before: (client: PoolClient, text: string) => unknown,
  onRelease: (broken?: boolean) => void = () => {},
) => ({
  async connect() {
    const client = await pool.connect();
    const query = async (text: string, values?: unknown[]) => {
      await before(client, text);
      return client.query(text, values);
    };
    const release = (broken?: boolean): void => {
      onRelease(broken);
      client.release(broken);
    };
    const own = { query, release };
    return new Proxy(client, { get: (of, name) => Reflect.get(name in own ? own : of, name) });
  },
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

  test.each([
    ['ROLLBACK', 0],
    ['COMMIT', 1],
  ])('rejects where the work ends the transaction itself by %s', async (how, there) => {
    const { inbox, pool, table, count, effects, effect } = await office();
    const ends = async (client: PoolClient): Promise<void> => {
      await effect(client);
      await client.query(how);
    };
    const rolledBack = { code: 'EVENTS_IDEMPOTENCY_ROLLED_BACK' };
    await expect(inbox.once(pool, placed('1'), context(), ends)).rejects.toMatchObject(rolledBack);
    const again = async (client: PoolClient): Promise<void> => {
      await ends(client);
      await client.query('BEGIN');
      await effect(client);
    };
    await expect(inbox.once(pool, placed('2'), context(), again)).rejects.toMatchObject(rolledBack);
    expect([await count(table), await effects()]).toEqual([there * 2, there * 2]);
    for (const id of ['1', '2']) await inbox.once(pool, placed(id), context(), effect);
    expect([await count(table), await effects()]).toEqual([2, 2]);
  });

  test('leaves savepoints to the work', async () => {
    const { inbox, pool, effects, effect } = await office();
    const retries = async (client: PoolClient): Promise<void> => {
      await client.query('SAVEPOINT mine');
      await client.query('SELECT nothing FROM nowhere').catch(() => client.query('ROLLBACK TO mine'));
      await effect(client);
    };
    expect(await inbox.once(pool, placed('1'), context(), retries)).toBe(true);
    expect(await effects()).toBe(1);
  });

  test('rejects where the server answers to COMMIT with something else', async () => {
    const { inbox, pool, effects, effect } = await office();
    const spoiling = meddled(pool, async (client, text) => {
      if (text === 'COMMIT') await client.query('SELECT nothing FROM nowhere').catch(() => {});
    });
    await expect(inbox.once(spoiling, placed('1'), context(), effect)).rejects.toMatchObject({
      code: 'EVENTS_IDEMPOTENCY_ROLLED_BACK',
    });
    expect(await effects()).toBe(0);
  });

  test('lets nothing be written by what is left of the work', async () => {
    const { inbox, pool, effects, effect } = await office();
    let goOn = (): void => {};
    const over = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let late: Promise<unknown> = Promise.resolve();
    const all = async (client: PoolClient): Promise<void> => {
      late = over.then(() => effect(client));
      await Promise.all([client.query('SELECT nothing FROM nowhere'), late]);
    };
    await expect(inbox.once(pool, placed('1'), context(), all)).rejects.toMatchObject({ code: '42P01' });
    goOn();
    await expect(late).rejects.toMatchObject({ code: 'EVENTS_IDEMPOTENCY_ENDED' });
    expect(await effects()).toBe(0);
  });

  test('gives the connection up at once when it is told to stop, though the work hangs', async () => {
    const { inbox, pool, effects, effect } = await office();
    const stop = new AbortController();
    const reason = new Error('stopped');
    const released: unknown[] = [];
    pool.on('release', (error) => released.push(error));
    let late: Promise<unknown> = Promise.resolve();
    const hangs = async (client: PoolClient): Promise<void> => {
      await effect(client);
      released.length = 0;
      stop.abort(reason);
      late = (async () => effect(client))();
      await new Promise(() => {});
    };
    await expect(inbox.once(pool, placed('1'), context('mail', stop.signal), hangs)).rejects.toBe(reason);
    expect(released).toEqual([true]);
    await expect(late).rejects.toMatchObject({ code: 'EVENTS_IDEMPOTENCY_ENDED' });
    // It would wait for as long as the transaction of the first is open.
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
    expect(await effects()).toBe(1);
    expect(pool.totalCount).toBe(1);
  }, 10_000);

  test('told to stop while a statement waits, gives the connection up once', async () => {
    const { inbox, pool, begin, end, waiting, effect, effects } = await office();
    const [first, stop, reason] = [await begin(), new AbortController(), new Error('stopped')];
    await inbox.record(first, placed('1'), context());
    const second = inbox.once(pool, placed('1'), context('mail', stop.signal), effect);
    const rejected = expect(second).rejects.toBe(reason);
    await until(async () => (await waiting('transactionid')).length === 1, 'the duplicate waits');
    const released: unknown[] = [];
    pool.on('release', (error) => released.push(error));
    stop.abort(reason);
    await rejected;
    await end(first, 'ROLLBACK');
    expect(released.filter((error) => error === true)).toEqual([true]);
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
    expect(await effects()).toBe(1);
  }, 10_000);

  test('told to stop while it waits for a connection, takes none', async () => {
    const { inbox, pool, effect, effects } = await office({ max: 1 });
    const [only, stop, reason] = [await pool.connect(), new AbortController(), new Error('stopped')];
    const waits = inbox.once(pool, placed('1'), context('mail', stop.signal), effect);
    stop.abort(reason);
    await expect(waits).rejects.toBe(reason);
    only.release();
    expect(await inbox.once(pool, placed('1'), context(), effect)).toBe(true);
    expect(await effects()).toBe(1);
  }, 10_000);

  test('told to stop while it rolls back, gives the connection up once', async () => {
    const { inbox, pool } = await office();
    const [stop, reason] = [new AbortController(), new Error('stopped')];
    const released: unknown[] = [];
    const stopping = meddled(
      pool,
      (_, text) => text === 'ROLLBACK' && stop.abort(reason),
      (broken) => released.push(broken),
    );
    const fails = () => Promise.reject(new Error('no'));
    await expect(inbox.once(stopping, placed('1'), context('mail', stop.signal), fails)).rejects.toBe(reason);
    expect(await inbox.once(pool, placed('1'), context(), () => {})).toBe(true);
    expect(released).toEqual([true]);
  });

  test('told to stop when the work has given the connection back itself, does no harm', async () => {
    const { inbox, pool } = await office();
    const [stop, reason] = [new AbortController(), new Error('stopped')];
    const gives = async (client: PoolClient): Promise<void> => {
      client.release(true);
      stop.abort(reason);
    };
    await expect(inbox.once(pool, placed('1'), context('mail', stop.signal), gives)).rejects.toBe(reason);
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
    const { inbox, pool, effects, effect, waiting } = await openOffice(own);
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
