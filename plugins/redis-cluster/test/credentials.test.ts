import { inspect } from 'node:util';
import { redisCluster } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { Load } from './load.ts';
import { startNode } from './node.ts';
import { State } from './state.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const PASSWORDS = ['canary-first', 'canary-second', 'canary-third'];

test('a password that changes under load: nothing lost, nothing rejected, no secret in what is said', async () => {
  let [password = ''] = PASSWORDS;
  await using cluster = await redisCluster({ nodeTimeoutMs: 10_000, users: [`app on >${password} ~* &* +@all`] });
  const state = new State(cluster);
  const everywhere = async (...args: string[]): Promise<void> => {
    for (const node of cluster.nodes) await node.cli(...args);
  };
  const trail = new Trail();
  let asked = 0;
  const credentials = async () => {
    asked++;
    return { username: 'app', password };
  };
  const options = { clusterNodes: cluster.nodes, partitions: PARTITIONS, credentials };
  await using publisher = await startNode(options);
  await using consumer = await startNode(options);
  await consumer.kernel.subscribe('order.*', trail.handler('consumer'), { concurrency: 10 });
  const load = new Load(publisher.kernel, trail, 'order.placed', ALL);
  await load.more();
  const before = asked;
  expect(before).toBeGreaterThanOrEqual(6 + PARTITIONS);
  for (const [index, next] of PASSWORDS.slice(1).entries()) {
    await everywhere('ACL', 'SETUSER', 'app', `>${next}`);
    password = next;
    await everywhere('ACL', 'SETUSER', 'app', `<${PASSWORDS[index]}`);
    await everywhere('CLIENT', 'KILL', 'TYPE', 'normal');
    await load.more();
  }
  await load.stop();
  await trail.whenComplete();
  // Three masters for either of them, and a reader for each partition.
  expect(asked).toBeGreaterThanOrEqual(before + 2 * (6 + PARTITIONS));
  expect(trail.rejections).toEqual([]);
  expect(trail.check()).toMatchObject({ lost: { count: 0 }, phantom: { count: 0 } });
  await state.whenSettled('order-events', PARTITIONS);
  for (const node of [publisher, consumer])
    await until(async () => (await node.problems()).length === 0, node.problems);

  // The new one is given too late: it is waited for, and nothing tells what it was.
  await everywhere('ACL', 'SETUSER', 'app', 'resetpass', '>canary-fourth');
  await everywhere('CLIENT', 'KILL', 'TYPE', 'normal');
  const waiting = trail.publish(publisher.kernel, 'order.placed', 1_000_000);
  await until(async () => (await publisher.problems()).length > 0, 'health tells');
  await until(() => publisher.hears('disconnected').length > 0, 'the connections are lost');
  const told = await publisher.problems();
  password = 'canary-fourth';
  expect(await waiting).toBe(true);
  await trail.whenComplete();

  const types = ['disconnected', 'error', 'notice', 'failed', 'publishFailed'] as const;
  const said = [publisher, consumer].map((node) => [node.logged, types.map((type) => node.hears(type))]);
  expect(inspect([said, told, trail.rejections], { depth: 12, showHidden: true, maxStringLength: null })).not.toContain(
    'canary',
  );
});
