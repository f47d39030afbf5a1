// Handles orders until it is told to stop, or killed. A process of its own; its argument is a ConsumerPlan as JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import { postgresInbox } from '@logistically/events-idempotency';
import { EventsError } from '@logistically/events-kernel';
import { Pool } from 'pg';
import { Ledger } from './ledger.ts';
import { SERVICE } from './order.ts';
import { openStack } from './stack.ts';

export interface ConsumerPlan {
  readonly name: string;
  readonly url: string;
  readonly database: string;
  readonly directory: string;
}

const plan = JSON.parse(process.argv[2] ?? '') as ConsumerPlan;
const ledger = new Ledger(plan.directory, plan.name);
const pool = new Pool({ connectionString: plan.database, max: 5 });
pool.on('error', () => {});
const inbox = postgresInbox({ by: ({ body }) => (body as { n: string }).n });
const told = new Promise((resolve) => process.once('message', resolve));

const kernel = await openStack(plan.url, (opening) =>
  opening.subscribe(
    'order.*',
    async (event, delivery) => {
      const { n, workMs, failures, poison } = event.body;
      const handling = { id: n, group: SERVICE, consumer: plan.name };
      ledger.write({ fact: 'deliver', ...handling, attempt: delivery.attempt });
      try {
        await sleep(workMs, undefined, { signal: delivery.signal });
        if (poison === 'permanent') throw new EventsError('EVENTS_CHAOS_POISON', 'It is poison.', { permanent: true });
        if (poison) throw new Error('It is hopeless.');
        if (delivery.attempt <= failures) throw new Error('Not yet.');
        await inbox.once(pool, event, delivery, (client) =>
          client.query('INSERT INTO effects (n, consumer) VALUES ($1, $2)', [n, plan.name]),
        );
      } catch (thrown) {
        ledger.write({ fact: 'fail', ...handling });
        throw thrown;
      }
      ledger.write({ fact: 'settle', ...handling });
    },
    { from: 'earliest', concurrency: 20 },
  ),
);
process.send?.({ ready: true });
await told;
const report = await kernel.stop(15_000);
await pool.end();
process.send?.(report);
process.disconnect();
