import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKernel, type Logger } from '@logistically/events-kernel';
import { folder } from './folder.ts';

type Events = { 'order.placed': { readonly order: number } };

/** Resolves when it was called as often as that. */
const countdown = (count: number): { readonly done: Promise<void>; readonly step: () => void } => {
  let left = count;
  let finish = (): void => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return { done, step: () => --left === 0 && finish() };
};

const logger: Logger = {
  debug() {},
  warn: (fields, message) => console.log(`  log     ${message} ${(fields as { reason: Error }).reason.message}.`),
  error: (fields, message) => console.error(message, fields),
};

const path = await mkdtemp(join(tmpdir(), 'events-folder-'));
// A handle for each service, as if each ran in a process of its own.
const orders = createKernel<Events>({ service: 'orders' }).use(folder(path));
const mailer = createKernel<Events>({ service: 'mailer', logger }).use(folder(path));
const audit = createKernel<Events>({ service: 'audit' }).use(folder(path));
try {
  await orders.start();
  await mailer.start();

  console.log('The mailer listens, three orders are placed, one mail fails at first:');
  const mails = countdown(3);
  await mailer.subscribe('order.placed', ({ body: { order } }, { attempt }) => {
    if (order === 2 && attempt === 1) throw new Error('The mail server is busy');
    console.log(`  mailer  confirms order ${order} at attempt ${attempt}`);
    mails.step();
  });
  await orders.publishBatch([1, 2, 3].map((order) => ({ type: 'order.placed', body: { order } })));
  await mails.done;

  console.log('The audit comes later and reads from the beginning:');
  const records = countdown(3);
  await audit.start();
  await audit.subscribe(
    'order.*',
    ({ header, body: { order } }) => {
      console.log(`  audit   ${header.type} ${order} by ${header.origin}`);
      records.step();
    },
    { from: 'earliest' },
  );
  await records.done;

  console.log(`In the folder: ${await readdir(path)}`);
} finally {
  await Promise.all([orders.stop(), mailer.stop(), audit.stop()]);
  await rm(path, { recursive: true });
}
