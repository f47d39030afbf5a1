// A consumer with an inbox, in a process of its own. Its argument is an InboxPlan as JSON; it reports by InboxReports.
import { createKernel, type Envelope } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { Pool } from 'pg';
import { type InboxClient, idempotency, postgresInbox } from '../src/index.ts';
import { CLAIM_MS, SHORT } from './pace.ts';

/** Between which steps it stops for ever. */
export type InboxStop = 'claim-begin' | 'begin-record' | 'record-effect' | 'effect-commit' | 'commit-settle';

export interface InboxPlan {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly postgresUrl: string;
  readonly table: string;
  readonly effects: string;
  readonly concurrency: number;
  /** Whether the feature `idempotency` is used beside the inbox. */
  readonly feature: boolean;
  readonly stop?: InboxStop;
}

export interface InboxReport {
  readonly at: 'ready' | 'stopped' | 'handled';
}

const plan = JSON.parse(process.argv[2] ?? '') as InboxPlan;
const report = (at: InboxReport['at']): void => {
  process.send?.({ at } satisfies InboxReport);
};
const stopAt = async (step: InboxStop): Promise<void> => {
  if (plan.stop !== step) return;
  report('stopped');
  await new Promise(() => {});
};

const by = ({ body }: Envelope): string => `order-${(body as { n: number }).n}`;
const pool = new Pool({ connectionString: plan.postgresUrl });
pool.on('error', () => {});
const inbox = postgresInbox({ table: plan.table, by });
/** The pool, whose connections stop between two statements. */
const stepping = {
  async connect() {
    const client = await pool.connect();
    return {
      async query(text: string, values?: unknown[]) {
        if (text === 'BEGIN') await stopAt('claim-begin');
        const result = await client.query(text, values);
        if (text === 'BEGIN') await stopAt('begin-record');
        if (text === 'COMMIT') await stopAt('commit-settle');
        return result;
      },
      release: (broken?: boolean) => client.release(broken),
      on: (event: 'error', listener: (error: Error) => void) => client.on(event, listener),
      removeListener: (event: 'error', listener: (error: Error) => void) => client.removeListener(event, listener),
    };
  },
};
const work = async (client: InboxClient, n: number): Promise<void> => {
  await stopAt('record-effect');
  await client.query(`INSERT INTO ${plan.effects} VALUES ($1)`, [n]);
  await stopAt('effect-commit');
};

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const bare = createKernel({ service: 'shop', logger: silent }).use(
  redisStreams({ url: plan.redisUrl, prefix: plan.prefix, ...SHORT }),
);
const kernel = plan.feature ? bare.use(idempotency({ leaseMs: CLAIM_MS, by })) : bare;
await kernel.start();
await kernel.subscribe(
  'order.*',
  async (event: Envelope, context) => {
    const { n } = event.body as { n: number };
    await inbox.once(stepping, event, context, (client) => work(client, n));
    report('handled');
  },
  { concurrency: plan.concurrency },
);
report('ready');
