import { expect, test } from 'vitest';
import { diagnose } from '../src/doctor/diagnosis.ts';
import type { Facts, Fields, NodeFacts } from '../src/doctor/facts.ts';
import { lossBound } from '../src/doctor/loss-bound.ts';
import { facts, node, sentinel } from './doctor-facts.ts';

const REPLICA = {
  role: 'slave',
  master_host: '10.0.0.1',
  master_port: '6379',
  master_link_status: 'up',
  slave_priority: '100',
};

const told = (seen: Facts): string[] => diagnose(seen).map(({ level, code }) => `${level} ${code}`);
/** A master that sentinels watch and its two replicas, which need not be alike. */
const replicated = (info: Fields, config: Fields = {}, others: Fields = {}): Facts => ({
  ...facts({ topology: 'sentinel', sentinels: [sentinel('a:1'), sentinel('b:1'), sentinel('c:1')] }),
  nodes: [
    node('10.0.0.1:6379'),
    node('10.0.0.2:6379', { ...REPLICA, ...info }, config),
    node('10.0.0.3:6379', REPLICA, others),
  ],
});

test('nothing is said of servers that are alike', () => {
  expect(told(replicated({}))).toEqual([]);
});

test.each<[finding: string, seen: Facts, fix: RegExp]>([
  ['warning min-replicas', replicated({}, { 'min-replicas-to-write': '0' }), /min-replicas-to-write 1/],
  ['warning min-replicas', replicated({}, { 'min-replicas-max-lag': '0' }), /min-replicas-max-lag 10/],
  ['warning min-replicas-lag', replicated({}, { 'min-replicas-max-lag': '300' }), /min-replicas-max-lag 10/],
  ['warning never-promoted', replicated({}, { 'replica-priority': '0' }), /^CONFIG SET replica-priority 100$/],
  ['warning never-promoted', replicated({ slave_priority: '0' }), /replica-priority 100/],
  ['warning replica-priority', replicated({ slave_priority: '10' }), /^CONFIG SET replica-priority 100$/],
  ['warning replica-priority', replicated({}, { 'replica-priority': '200' }), /replica-priority 100/],
])('of the replica that takes over: %s is told, with what to do', (finding, seen, fix) => {
  expect(told(seen)).toEqual([finding]);
  expect(diagnose(seen)[0]).toMatchObject({ where: '10.0.0.2:6379', fix: expect.stringMatching(fix) });
});

test('who can take over is told of each replica', () => {
  const none = { 'replica-priority': '0' };
  const seen = replicated({}, none, none);
  expect(told(seen)).toEqual(['error no-candidate', 'error no-candidate']);
  expect(diagnose(seen).map(({ where }) => where)).toEqual(['10.0.0.2:6379', '10.0.0.3:6379']);
  expect(told({ ...seen, topology: 'single', sentinels: [] })).toEqual([]);
  // The one that cannot be asked may be a candidate.
  const silent = [{ where: 'h:1', kind: 'replica', why: 'ECONNREFUSED' }] as const;
  expect(told({ ...seen, silent })).toEqual([
    'warning replica-silent',
    'warning never-promoted',
    'warning never-promoted',
  ]);
  const exempt = { 'cluster-replica-no-failover': 'yes' };
  const [, one, other] = replicated({}, exempt, exempt).nodes as [NodeFacts, NodeFacts, NodeFacts];
  expect(told({ ...seen, topology: 'cluster', nodes: [node('10.0.0.1:6379'), one, other] })).toEqual(
    Array(2).fill('error no-candidate'),
  );
});

test('the only replica need not wait for one once it is the master', () => {
  const [master, replica] = replicated({}, { 'min-replicas-to-write': '0' }).nodes as [NodeFacts, NodeFacts];
  expect(told(facts({ nodes: [master, replica] }))).toEqual([]);
});

test.each<[what: string, seen: Facts, words: RegExp]>([
  ['a replica without a bound', replicated({}, { 'min-replicas-to-write': '0' }), /after a failover there is no bound/],
  ['a replica with another', replicated({}, { 'min-replicas-max-lag': '60' }), /after a failover about 61 s/],
  ['a favourite', replicated({}, { 'replica-priority': '10' }), /the one that Sentinel prefers lacks it/],
])('what can be lost is said in words: %s', (_, seen, words) => {
  expect(lossBound(seen)).toMatch(words);
});
