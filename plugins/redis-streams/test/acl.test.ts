import { readFileSync } from 'node:fs';
import { redis } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { type AclOptions, aclRule, type Role } from '../src/index.ts';
import { createNode } from './node.ts';
import { Trail } from './trail.ts';
import { until } from './until.ts';

const line = aclRule('consumer', { user: 'events' });
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

test.each(['publisher', 'consumer', 'operator', 'sentinel'] as const)('the README shows the line of a %s', (role) => {
  expect(readme).toContain(`\n${aclRule(role)}\n`);
});

test.each<[what: string, role: unknown, options: unknown]>([
  ['a prefix that is a pattern', 'publisher', { prefix: '*' }],
  ['a prefix that is a set of characters', 'publisher', { prefix: '[a-z]' }],
  ['a prefix of two words', 'publisher', { prefix: 'my app' }],
  ['no prefix', 'publisher', { prefix: '' }],
  ['a user with rights', 'publisher', { user: 'x nopass ~* +@all' }],
  ['a user on the sentinels with rights', 'sentinel', { user: 'x\n+@all' }],
  ['a role that is none', 'admin', {}],
  ['a version that is none', 'publisher', { version: 'abc' }],
  ['a version as a number', 'publisher', { version: 7 }],
  ['a topology that is none', 'publisher', { topology: 'ring' }],
  ['a database that is none', 'publisher', { database: 1.5 }],
])('no line is made for %s', (_, role, options) => {
  const make = () => aclRule(role as Role, options as AclOptions);
  expect(make).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
});

test('without the right to interrupt and to dismiss connections all works, a little later', async () => {
  await using server = await redis({ exclusive: true });
  await server.cli(...line.replace(' +client|unblock', '').replace(' +client|kill', '').split(' '));
  const url = `redis://events:password@${server.host}:${server.port}`;
  const trail = new Trail();
  await using node = createNode({ url, redeliverMs: 10 });
  await node.kernel.start();
  await node.kernel.subscribe(
    'order.*',
    trail.handler('consumer', (_, { attempt }) => {
      if (attempt === 1) throw new Error('fails at first');
    }),
  );
  await trail.publishAll(node.kernel, 'order.placed', 1, 3);
  await until(() => trail.complete, 'all are handled');
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal');
  await trail.publishAll(node.kernel, 'order.placed', 4, 6);
  await until(() => trail.complete, 'all are handled after a lost connection');
  expect(node.hears('error')).toEqual([]);
});
