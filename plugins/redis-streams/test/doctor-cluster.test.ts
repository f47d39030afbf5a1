import { type RedisClusterService, redisCluster } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aclRule } from '../src/acl.ts';
import { lossBound } from '../src/doctor/loss-bound.ts';
import { look } from './doctor-look.ts';
import { until } from './until.ts';

const PASSWORD = 'of-the-default-user';
const userOf = (line: string): string => line.replace('ACL SETUSER ', '').replace(' reset ', ' ');

describe('a cluster of three masters with a replica each', () => {
  let setUp: RedisClusterService;
  const byNode = (index: number): string => {
    const { host, port } = setUp.nodes[index] as RedisClusterService['nodes'][number];
    return `redis://events-operator:password@${host}:${port}`;
  };

  beforeAll(async () => {
    setUp = await redisCluster({
      ...{ password: PASSWORD, appendonly: true, args: ['--maxmemory', '512mb', '--min-replicas-to-write', '1'] },
      users: (['operator', 'consumer', 'publisher'] as const).map((role) =>
        userOf(aclRule(role, { topology: 'cluster' })),
      ),
    });
  });
  afterAll(() => setUp.stop());

  const TIGHT = Array<string>(3).fill('info min-replicas-tight');

  test('nothing is said against it but that one replica is few, by whatever node one comes', async () => {
    for (const index of [0, 4]) {
      const { told, facts } = await look(byNode(index));
      expect(told).toEqual(TIGHT);
      expect(facts).toMatchObject({ topology: 'cluster', silent: [] });
      expect(facts.nodes).toHaveLength(6);
      expect(lossBound(facts)).toMatch(/there is one: it is refused/);
    }
  });

  test.each(['consumer', 'publisher'])(
    'a %s may not ask for its nodes: they are found by their slots',
    async (role) => {
      const url = byNode(1).replace('operator', role);
      // A replica that never got anything is left out.
      for (const { cli } of await setUp.masters()) await cli('FLUSHALL');
      await until(async () => (await look(url)).facts.nodes.length === 6, 'replicas are told');
      const { told, facts } = await look(url);
      expect(told).toEqual(['info rights-unknown', 'info not-looked-at']);
      expect(facts.nodes.filter((node) => node.role === 'master')).toHaveLength(3);
      expect(facts.cluster[0]?.nodes.filter(({ slots }) => slots.length > 0)).toHaveLength(3);
    },
  );

  test('topics are found on the node that has them, and skew is told', async () => {
    const [first] = setUp.nodes;
    const send = async (key: string, ...words: string[]): Promise<unknown> =>
      (await setUp.slotOwner(setUp.slotOf(key))).cli(...words);
    const large = 'x'.repeat(900_000);
    const topics = ['order-events', 'bill-events', 'user-events'];
    await send('events|topics', 'SADD', 'events|topics', ...topics);
    for (const topic of topics) {
      const key = `events:{${topic}:1}:${topic}`;
      for (let i = 0; i < (topic === 'bill-events' ? 20 : 1); i++) await send(key, 'XADD', key, '*', 'e', large);
    }
    const { told, findings, facts } = await look(byNode(5));
    expect(facts.workload.streams.map(({ topic, entries }) => [topic, entries]).sort()).toEqual([
      ['bill-events', 20],
      ['order-events', 1],
      ['user-events', 1],
    ]);
    expect(told).toEqual(['warning slot-skew', ...TIGHT]);
    const owner = await setUp.slotOwner(setUp.slotOf('{bill-events:1}'));
    expect(findings[0]).toMatchObject({ where: `${owner.host}:${owner.port}`, what: /\{bill-events:1\} has 9\d %/ });
    for (const topic of topics) await send(`{${topic}:1}`, 'DEL', `events:{${topic}:1}:${topic}`);
    await send('events|topics', 'DEL', 'events|topics');
    expect((await look(byNode(0))).told).toEqual(TIGHT);
    expect(first).toBeDefined();
  });

  test('open slots, full coverage and a long node timeout are told, with what mends them', async () => {
    const [from, to] = (await setUp.masters()) as [
      RedisClusterService['nodes'][number],
      RedisClusterService['nodes'][number],
    ];
    const own = await setUp.slotOwner(0);
    await setUp.openSlot(0, own === from ? to : from);
    const { told, findings } = await look(byNode(3));
    expect(told).toEqual(['warning slots-open', 'warning slots-open', ...TIGHT]);
    expect(findings[0]?.fix).toContain('CLUSTER SETSLOT 0 STABLE');
    for (const node of await setUp.masters()) await node.cli('CLUSTER', 'SETSLOT', '0', 'STABLE');
    for (const [finding, change] of [
      ['warning full-coverage', 'CONFIG SET cluster-require-full-coverage yes'],
      ['warning node-timeout', 'CONFIG SET cluster-node-timeout 60000'],
    ] as const) {
      await from.cli(...change.split(' '));
      const seen = await look(byNode(0));
      expect(seen.told).toEqual([finding, ...TIGHT]);
      await from.cli(...(seen.findings[0]?.fix ?? '').split(' '));
      expect((await look(byNode(0))).told).toEqual(TIGHT);
    }
    await from.cli('CONFIG', 'SET', 'cluster-node-timeout', '1000');
  });

  test('a shard that is gone is told', async () => {
    const [master] = (await setUp.masters()) as [RedisClusterService['nodes'][number]];
    const [replica] = await setUp.replicasOf(master);
    await replica?.kill();
    await master.kill();
    const other = (await setUp.masters()).find((node) => node !== master);
    const url = `redis://events-operator:password@${other?.host}:${other?.port}`;
    const failed = async (): Promise<string> =>
      (await look(url)).findings.find(({ code }) => code === 'node-failed')?.what ?? '';
    await until(async () => (await failed()).includes(`${master.host}:${master.port}`), 'the master counts as failed');
    const { told } = await look(url);
    expect(told.slice(0, 3).sort()).toEqual(['error master-silent', 'error node-failed', 'error slots-failed']);
    expect(told).toContain('warning replica-silent');
    await master.start();
    await replica?.start();
    await setUp.ready();
  });
});
