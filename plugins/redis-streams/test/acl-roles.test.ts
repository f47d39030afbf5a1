import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisService, redis, redisSentinel } from '@logistically/events-conformance/services';
import { expect, test } from 'vitest';
import { aclRule, rightsOf } from '../src/acl.ts';
import { redisStreams } from '../src/index.ts';
import { OPTIONS, publish, SCENES, silent } from './acl-scenes.ts';

/** What the server has refused to whom, by command or key. */
const refusals = async (server: RedisService): Promise<Map<string, Set<string>>> => {
  const refused = new Map<string, Set<string>>();
  for (const entry of (await server.cli('ACL', 'LOG', '4096')) as unknown[][]) {
    const field = (name: string): string => String(entry[entry.indexOf(name) + 1]);
    const objects = refused.get(field('username')) ?? new Set();
    // Clients tell their version where the server takes it, and go on where it does not.
    if (field('object') !== 'client|setinfo') objects.add(field('object'));
    refused.set(field('username'), objects);
  }
  return refused;
};

/** What is left of a word that is taken out: its parentheses. */
const bare = (word: string): string => word.replace(/[^()]/g, '');

/** Runs scenes side by side, each as a user of its own, until all are done or were refused something; resolves with that. */
const play = async (
  server: RedisService,
  parts: readonly { readonly role: keyof typeof SCENES; readonly without?: number; readonly version?: string }[],
): Promise<readonly { readonly refused: readonly string[]; readonly problems: readonly unknown[] }[]> => {
  let refused = new Map<string, Set<string>>();
  const watch = new AbortController();
  const watching = (async () => {
    while (!watch.signal.aborted) {
      refused = await refusals(server);
      await sleep(50);
    }
  })();
  const playing = Promise.all(
    parts.map(async ({ role, without, version = '7.0' }) => {
      const user = `u${randomUUID().slice(0, 8)}`;
      const prefix = `p${user}`;
      const words = aclRule(role, { user, prefix, version, retention: role !== 'operator' }).split(' ');
      await server.cli(...words.map((word, index) => (index === without ? bare(word) : word)).filter(Boolean));
      const problems: unknown[] = [];
      const isRefused = (): boolean => without !== undefined && (refused.get(user)?.size ?? 0) > 0;
      await SCENES[role]({
        ...{ server, user, prefix, problems, refused: isRefused },
        url: `redis://${user}:password@${server.host}:${server.port}`,
        async step(run) {
          if (!isRefused()) await run().catch((problem) => problems.push(problem));
        },
      });
      return { user, problems };
    }),
  );
  // Also of a scene that fails: nothing is to go on behind its back.
  await Promise.allSettled([playing]);
  watch.abort();
  await watching;
  const played = await playing;
  refused = await refusals(server);
  return played.map(({ user, problems }) => ({ refused: [...(refused.get(user) ?? [])], problems }));
};

const start = (): Promise<RedisService> => redis({ exclusive: true, args: ['--acllog-max-len', '4096'] });

test.each([
  ['publisher', '7.0'],
  ['consumer', '7.0'],
  ['operator', '7.0'],
  ['publisher', '6.2'],
  ['consumer', '6.2'],
] as const)('the role %s is refused nothing, with the line for %s', async (role, version) => {
  await using server = await start();
  const [outcome] = await play(server, [{ role, version }]);
  expect(outcome?.refused).toEqual([]);
  // The scene kills connections.
  expect(outcome?.problems.filter((problem) => !/connection/i.test(String(problem)))).toEqual([]);
});

test('no role removes or overwrites a stream, a publisher reads none, and nobody leaves the prefix', async () => {
  await using server = await start();
  const stream = 'events:{order-events:0}:order-events';
  await server.cli('XADD', stream, '*', 'e', 'x');
  for (const role of ['publisher', 'consumer', 'operator'] as const) {
    await server.cli(...aclRule(role, { retention: true }).split(' '));
    const may = async (...words: string[]): Promise<boolean> =>
      (await server.cli('ACL', 'DRYRUN', `events-${role}`, ...words)) === 'OK';
    for (const words of [
      ['DEL', stream],
      ['SET', stream, 'x'],
      ['XADD', 'other', '*', 'e', 'x'],
      ['GET', 'other'],
      ['FLUSHALL'],
      ['KEYS', '*'],
    ])
      expect([role, words, await may(...words)]).toEqual([role, words, false]);
    expect(await may('XADD', stream, '*', 'e', 'x')).toBe(true);
    expect(await may('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', stream, '>')).toBe(role === 'consumer');
  }
  // What no ACL can forbid is said in the README.
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain('`XADD … MAXLEN = 0`');
  for (const role of ['publisher', 'consumer', 'operator'])
    expect(await server.cli('ACL', 'DRYRUN', `events-${role}`, 'XADD', stream, 'MAXLEN', '=', '0', '*', 'e', 'x')).toBe(
      'OK',
    );
  await server.cli(...aclRule('publisher').split(' '));
  for (const command of ['XRANGE', 'XREVRANGE']) {
    const reply = await server.cli('ACL', 'DRYRUN', 'events-publisher', command, stream, '-', '+');
    expect(reply).toMatch(/no permissions to run/);
  }
});

test.each(['publisher', 'consumer', 'operator'] as const)(
  'the role %s needs every word of its line',
  { timeout: 120_000 },
  async (role) => {
    await using server = await start();
    const words = aclRule(role, { retention: role !== 'operator' }).split(' ');
    const indices = [...words.keys()].filter((index) => /^\(?[+~]/.test(words[index] as string));
    const superfluous: string[] = [];
    // Some at a time: a scene that starves takes longer than it may.
    for (let i = 0; i < indices.length; i += 12) {
      const some = indices.slice(i, i + 12);
      const outcomes = await play(
        server,
        some.map((without) => ({ role, without })),
      );
      outcomes.forEach(({ refused }, n) => {
        const word = words[some[n] as number] as string;
        // A command that is missing in one part and there in the other is refused for its key.
        const isMissed = refused.some((object) => word.slice(1).replace(')', '') === object || object.startsWith('pu'));
        if (!isMissed) superfluous.push(`${word} (${refused})`);
      });
    }
    expect(superfluous).toEqual([]);
  },
);

test('who has his events confirmed by replicas needs WAIT, and is refused nothing', async () => {
  await using setUp = await redisSentinel({ replicas: 2, sentinels: 1, quorum: 1 });
  const master = await setUp.master();
  const outcome = async (durability: boolean): Promise<unknown> => {
    await master.cli(...aclRule('publisher', { user: 'sure', durability }).split(' '));
    const url = `redis://sure:password@${master.host}:${master.port}`;
    const transport = redisStreams({ url, ...OPTIONS, durability: { replicas: 1 } });
    await transport.open({ service: 'shop', logger: silent, emit: () => {} });
    const published = await publish(transport, 'order-events', 3).catch((reason) => reason);
    await transport.close(Date.now() + 500);
    return published;
  };
  expect(await outcome(true)).toBeUndefined();
  expect(await master.cli('ACL', 'LOG')).toEqual([]);
  expect(await outcome(false)).toMatchObject({ code: 'EVENTS_REDIS_STREAMS_NO_PERMISSION' });
  expect((await master.cli('ACL', 'LOG')) as unknown[][]).toEqual([expect.arrayContaining(['wait'])]);
});

test('what a script calls, a role may', () => {
  const directory = new URL('../src/lua/', import.meta.url);
  const called = readdirSync(directory).flatMap((file) =>
    [...readFileSync(new URL(file, directory), 'utf8').matchAll(/redis\.p?call\('(\w+)'(?:, '([A-Z]+)')?/g)].map(
      ([, command = '', next = '']) =>
        (['XINFO', 'XGROUP'].includes(command) ? `${command}|${next}` : command).toLowerCase(),
    ),
  );
  const { streams, store } = rightsOf('consumer', { retention: true });
  const granted = new Set([...streams.commands, ...(store?.commands ?? [])]);
  expect([...new Set(called)].filter((command) => !granted.has(command))).toEqual([]);
});

test('the line fits the server, the database and the topology', () => {
  expect(aclRule('publisher')).toBe(
    'ACL SETUSER events-publisher reset on >password ~events:* ~events|topics -@all +ping +info +client|setname +xadd +zadd +sadd +eval (~events|store:* -@all +eval +evalsha +get +set +incrby +pttl +pexpire)',
  );
  expect(aclRule('publisher', { version: '6.2.14', prefix: 'shop', user: 'me' })).toBe(
    'ACL SETUSER me reset on >password ~shop:* ~shop|topics ~shop|store:* -@all +ping +info +client|setname +xadd +zadd +sadd +eval +evalsha +get +set +incrby +pttl +pexpire',
  );
  expect(aclRule('consumer', { version: '7.2.0', database: 3, durability: true })).toMatch(
    /\+client\|setinfo \+select \+wait /,
  );
  expect(aclRule('consumer', { topology: 'cluster' })).toContain(' +cluster|slots +cluster|info +asking ');
  expect(aclRule('operator', { version: '6.2.0' })).not.toMatch(/dryrun|\(/);
  expect(aclRule('sentinel')).toContain(' &+switch-master');
});
