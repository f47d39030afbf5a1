import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createKernel, type Logger } from '@logistically/events-kernel';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { folder } from '../src/folder.ts';

const logger: Logger = { debug() {}, warn() {}, error() {} };
const started = (service: string) => createKernel({ service, logger }).use(folder(path)).start();

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'events-folder-'));
});
afterEach(() => rm(path, { recursive: true, force: true }));

test('handles of one folder, as in several processes, see what the others publish', async () => {
  await using publisher = await started('publisher');
  await using consumer = await started('consumer');
  const bodies: unknown[] = [];
  await consumer.subscribe('order.*', ({ body }) => bodies.push(body));
  await publisher.publish('order.placed', 1);
  await vi.waitFor(() => expect(bodies).toEqual([1]), 20_000);
});

test('a line that somebody wrote by hand is reported, and those after it are handled', async () => {
  await using kernel = await started('shop');
  const bodies: unknown[] = [];
  const undecodable: string[] = [];
  kernel.on('undecodable', ({ delivery }) => undecodable.push(delivery.topic));
  await kernel.subscribe('order.*', ({ body }) => bodies.push(body));
  await appendFile(join(path, 'order-events.topic'), 'what is this?\n');
  await kernel.publish('order.placed', 1);
  await vi.waitFor(() => expect(bodies).toEqual([1]), 20_000);
  expect(undecodable).toEqual(['order-events']);
});

test('a line is not read before its end is written', async () => {
  await using kernel = await started('shop');
  await kernel.publish('order.placed', 1);
  const file = join(path, 'order-events.topic');
  const line = await readFile(file);
  const bodies: unknown[] = [];
  await kernel.subscribe('order.*', ({ body }) => bodies.push(body));
  await appendFile(file, line.subarray(0, 40));
  const { log } = folder(path).capabilities;
  expect(await log.read('order-events')).toHaveLength(1);
  await appendFile(file, line.subarray(40));
  await vi.waitFor(() => expect(bodies).toEqual([1]), 20_000);
});

test('when the folder is gone a lifecycle event says so', async () => {
  await using kernel = await started('shop');
  const sources: string[] = [];
  kernel.on('error', ({ source }) => sources.push(source));
  await kernel.subscribe('*', () => {});
  await rm(path, { recursive: true });
  await vi.waitFor(() => expect(sources).toContain('folder'), 20_000);
  await expect(kernel.publish('order.placed', 1)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('the transport has less than 100 lines', async () => {
  const source = await readFile(resolve(import.meta.dirname, '../src/folder.ts'), 'utf8');
  expect(source.trimEnd().split('\n').length).toBeLessThan(100);
});
