import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { postgresInbox } from '@logistically/events-idempotency';
import { Client } from 'pg';
import { postgres, type RedisServer, redis } from '../src/services/index.ts';
import { makeFaults } from './faults.ts';
import { Ledger, readLedgers } from './ledger.ts';
import { Member } from './member.ts';
import type { ChaosOptions } from './options.ts';
import { TOPIC } from './order.ts';
import { type Observer, openObserver } from './topic.ts';
import { judge, type Verdict } from './verdict.ts';

/** How long it may take, when everything is healed, until nothing is left to handle. */
const DRAIN_MS = 90_000;
const LEAVE_MS = 25_000;
const STREAM = `events:{${TOPIC}:0}:${TOPIC}`;
const FOREIGN_EACH_MS = 3000;

export interface ChaosReport extends Verdict {
  readonly faults: Readonly<Record<string, number>>;
}

/** Somebody else writes to the topic what is no event, now and then. */
const writeForeign = async (server: RedisServer, end: number): Promise<void> => {
  while (Date.now() < end) {
    await server.cli('XADD', STREAM, '*', 'e', 'no event').catch(() => {});
    await sleep(FOREIGN_EACH_MS);
  }
};

/** Resolves with what is left when nothing is, or when the time is over. */
const drained = async (observer: Observer): Promise<number> => {
  const end = Date.now() + DRAIN_MS;
  for (;;) {
    const left = await observer.left();
    if (left === 0 || Date.now() > end) return left;
    await sleep(200);
  }
};

const effectsIn = async (database: Client): Promise<ReadonlyMap<string, number>> => {
  const { rows } = await database.query<{ n: string; count: number }>(
    'SELECT n, count(*)::int AS count FROM effects GROUP BY n',
  );
  return new Map(rows.map(({ n, count }) => [n, count]));
};

/** Runs a service of several processes on real servers, does to it what happens in production, and judges what came of it. */
export const runChaos = async (options: ChaosOptions, tell: (what: string) => void): Promise<ChaosReport> => {
  const { seconds, seed, rate } = options;
  const directory = options.keep ?? mkdtempSync(join(tmpdir(), 'events-chaos-'));
  mkdirSync(directory, { recursive: true });
  const ledger = new Ledger(directory, 'faults');
  const deaths: string[] = [];
  const members: Member[] = [];
  await using server = await redis({ exclusive: true, appendonly: true, appendfsync: 'always' });
  await using storage = await postgres();
  const database = new Client({ connectionString: storage.url });
  await database.connect();
  try {
    await postgresInbox().create(database);
    await database.query('CREATE TABLE effects (n text NOT NULL, consumer text NOT NULL)');

    const open = (kind: 'producer' | 'consumer', number: number, plan: (generation: number) => object) =>
      Member.open({
        slot: `${kind}-${number}`,
        program: new URL(`./${kind}.ts`, import.meta.url),
        server,
        ledger,
        plan: (generation) => ({ directory, ...plan(generation) }),
        onDeath: (name, output) => deaths.push(`${name}: ${output}`),
      });
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
    const consumers = await Promise.all(
      numbers(options.consumers).map((number) => open('consumer', number, () => ({ database: storage.url }))),
    );
    members.push(...consumers);
    const producers = await Promise.all(
      numbers(options.producers).map((number) =>
        open('producer', number, (generation) => ({
          seed: seed + 1000 * number + generation,
          rate: rate / options.producers,
        })),
      ),
    );
    members.push(...producers);

    tell(`${members.length} processes on Redis (AOF) and PostgreSQL; faults for ${seconds} s`);
    const end = Date.now() + seconds * 1000;
    const [faults] = await Promise.all([
      makeFaults({ server, consumers, producers, ledger, seed }, end),
      writeForeign(server, end),
    ]);

    tell('healed; the producers leave');
    await Promise.all(producers.map((producer) => producer.leave(LEAVE_MS)));
    const observer = await openObserver(server.url);
    const left = await drained(observer);
    tell('drained; the consumers leave');
    const reports = await Promise.all(consumers.map((consumer) => consumer.leave(LEAVE_MS)));
    if (reports.includes(undefined)) deaths.push('A consumer did not stop by its deadline.');
    const { stored, foreign } = await observer.contents();
    const letters = await observer.letters();
    await observer.close();

    const entries = readLedgers(directory);
    const effects = await effectsIn(database);
    return { faults, ...judge({ entries, stored, foreign, letters, effects, left, deaths }) };
  } finally {
    await Promise.all(members.map((member) => member.close()));
    await database.end();
    if (options.keep === undefined) rmSync(directory, { recursive: true });
  }
};
