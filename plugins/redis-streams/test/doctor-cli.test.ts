import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { certificates, type RedisService, redis, redisSentinel } from '@logistically/events-conformance/services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { aclRule } from '../src/acl.ts';
import { requestOf } from '../src/doctor/request.ts';
import { concealed, printable } from '../src/doctor/secret.ts';
import { targetOf } from '../src/doctor/target.ts';

const CLI = fileURLToPath(new URL('../src/doctor/cli.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const PASSWORD = 'kanarie/vo:gel';

interface Exit {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Exit> => {
  const { EVENTS_REDIS_STREAMS_URL: _, REDIS_URL: __, ...rest } = process.env;
  const child = spawn(process.execPath, ['--import', TSX, CLI, ...args], {
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
};

describe('a server', () => {
  let server: RedisService;
  let url: string;
  beforeAll(async () => {
    server = await redis({ exclusive: true, appendonly: true, password: PASSWORD });
    url = `redis://:${encodeURIComponent(PASSWORD)}@${server.host}:${server.port}`;
  });
  afterAll(() => server.stop());

  test('0 without errors, 1 with them, 2 when it could not look; the password is printed never', {
    timeout: 120_000,
  }, async () => {
    const exits: Exit[] = [];
    const told = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Exit> => {
      const exit = await run(args, env);
      exits.push(exit);
      return exit;
    };
    const good = await told([], { EVENTS_REDIS_STREAMS_URL: url, REDIS_URL: 'redis://127.0.0.1:1' });
    expect(good).toMatchObject({ code: 0, err: '' });
    expect(good.out).toMatch(/^single, 1 master, 0 replicas, 0 topics under events\n/);
    expect(good.out).toMatch(/0 error, 2 warning, 1 info\n.*CONFIG REWRITE/);
    expect(good.out).toMatch(/What can be lost: .*appendfsync everysec/);
    await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await server.cli('SADD', 'events|topics', 'a\u001b[31mb');
    const bad = await told([url, '--json']);
    expect(bad.code).toBe(1);
    const report = JSON.parse(bad.out);
    expect(report).toMatchObject({ topology: 'single', topics: 1, lossBound: expect.stringMatching(/no failover/) });
    expect(report.findings[0]).toMatchObject({
      level: 'error',
      code: 'eviction',
      fix: 'CONFIG SET maxmemory-policy noeviction',
    });
    const shown = await told([], { REDIS_URL: url });
    expect(shown.out).toContain('a\\u001b[31mb');
    // A password that is a word of ours: what is left out would point it out, and break what is read by machines.
    await server.cli('ACL', 'SETUSER', 'weak', 'on', '>error', '~*', '+@all');
    const weak = await told([url.replace(/:[^/]*@/, 'weak:error@'), '--json']);
    expect(JSON.parse(weak.out).findings[0]).toMatchObject({ level: 'error', code: 'eviction' });
    const wrong = await told([], { REDIS_URL: url.replace('kanarie', 'kanarie2') });
    expect(wrong).toMatchObject({
      code: 2,
      out: '',
      err: `${server.host}:${server.port} cannot be looked at: it replied WRONGPASS.\n`,
    });
    const nameless = await told([`redis://${server.host}:${server.port}`]);
    expect(nameless).toMatchObject({ code: 2, out: '', err: expect.stringContaining('it replied NOAUTH.') });
    await told([`${url}/?x`, '--fast']);
    await told([`--url=${url}`]);
    await told([url, url]);
    await told([url.replace('redis:', 'reddis:')]);
    await told([url.replace(/:\d+$/, ':1')]);
    await told([url, '--tls-ca', 'nowhere.pem']);
    expect(exits.slice(6).map(({ code }) => code)).toEqual(Array(6).fill(2));
    for (const { out, err } of exits) expect(out + err).not.toMatch(/kanarie|vo:gel|vo%3Agel/);
    await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  });

  test('a frozen server ends by the deadline', { timeout: 120_000 }, async () => {
    await server.freeze();
    const { code, err } = await run(['--timeout-ms', '300'], { REDIS_URL: url });
    await server.thaw();
    expect(code).toBe(2);
    expect(err).toMatch(/cannot be looked at: it gave no answer within 300 ms\.|ETIMEDOUT/);
  });
});

test('sentinels are found out, and their password is printed never', { timeout: 120_000 }, async () => {
  await using setUp = await redisSentinel({ password: PASSWORD, sentinelPassword: PASSWORD, replicas: 1 });
  const [{ host, port } = { host: '', port: 0 }] = setUp.sentinels;
  const secret = encodeURIComponent(PASSWORD);
  const found = await run([], { REDIS_URL: `redis://:${secret}@${host}:${port}` });
  expect(found.out).toMatch(/^sentinel, 1 master, 1 replica, 3 sentinels/);
  const given = await run(['--json'], {
    REDIS_URL: `redis+sentinel://:${secret}@${host}:${port}/${setUp.name}?sentinelPassword=${secret}`,
  });
  expect(JSON.parse(given.out).sentinels).toHaveLength(3);
  const nobody = await run([], {
    REDIS_URL: `redis+sentinel://:${secret}@${host}:${port}/other?sentinelPassword=${secret}`,
  });
  expect(nobody).toMatchObject({ code: 2, err: `The sentinel ${host}:${port} watches no master of this name.\n` });
  const wrong = await run([], { REDIS_URL: `redis+sentinel://:${secret}2@${host}:${port}/${setUp.name}` });
  expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('it replied WRONGPASS.') });
  for (const { out, err } of [found, given, nobody, wrong]) expect(out + err).not.toMatch(/kanarie|vo:gel|vo%3Agel/);
});

test('over TLS, with a certificate of its own; what is wrong with one is named', { timeout: 120_000 }, async () => {
  await using made = certificates();
  const { ca, client } = made;
  const options = { exclusive: true, appendonly: true, password: PASSWORD } as const;
  await using server = await redis({ ...options, tls: { certificates: made, authClients: true } });
  const of = ({ host, port }: RedisService): string => `rediss://:${encodeURIComponent(PASSWORD)}@${host}:${port}`;
  const trust = ['--tls-ca', ca.certFile];
  const own = ['--tls-cert', client.certFile, '--tls-key', client.keyFile];
  const good = await run([...trust, ...own], { REDIS_URL: of(server) });
  expect(good).toMatchObject({ code: 0, err: '' });
  expect(good.out).not.toContain('plaintext');
  const stranger = await run(own, { REDIS_URL: of(server) });
  expect(stranger).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringMatching(/SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY/),
  });
  const nameless = await run(trust, { REDIS_URL: of(server) });
  expect(nameless).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--tls-cert') });
  await using old = await redis({ ...options, tls: { certificates: made, shows: 'expired' } });
  const expired = await run(trust, { REDIS_URL: of(old) });
  expect(expired).toMatchObject({ code: 2, out: '', err: expect.stringContaining('CERT_HAS_EXPIRED') });
});

test('--acl only prints the line', async () => {
  const { code, out } = await run([
    '--acl',
    'publisher',
    '--prefix',
    'shop',
    '--user',
    'me',
    '--server-version',
    '7.2',
    '--database',
    '3',
  ]);
  expect(code).toBe(0);
  expect(out).toBe(`${aclRule('publisher', { prefix: 'shop', user: 'me', version: '7.2', database: 3 })}\n`);
  expect((await run(['--help'])).out).toMatch(/^events-doctor \[url\]/);
});

test('what cannot be meant is refused', () => {
  const refused = (...args: string[]): string => {
    try {
      requestOf(args, {});
    } catch (thrown) {
      return (thrown as Error).message;
    }
    return '';
  };
  expect(refused()).toMatch(/EVENTS_REDIS_STREAMS_URL or REDIS_URL/);
  expect(refused('--acl', 'king')).toMatch(/publisher, consumer, operator, sentinel/);
  expect(refused('--acl', 'publisher', 'redis://h')).toMatch(/leave the URL out/);
  expect(refused('--acl', 'publisher', '--json')).toMatch(/does not go with --acl/);
  expect(refused('--acl', 'publisher', '--user', 'a b')).toMatch(/--user takes/);
  expect(refused('--user', 'a', 'redis://h')).toMatch(/goes with --acl only/);
  expect(refused('redis://h', '--idle-ms', '0')).toMatch(/whole number from 1/);
  expect(refused('redis://h', '--tls-ca', 'ca.pem')).toMatch(/rediss:/);
  expect(refused('redis://h', '--prefix', 'a*')).toMatch(/--prefix takes/);
});

test('a URL is read as it is meant', () => {
  expect(targetOf('redis://me:a%2Fb@[::1]:7000/3')).toMatchObject({
    ...{ addresses: [{ host: '::1', port: 7000 }], credentials: { username: 'me', password: 'a/b' }, database: 3 },
    ...{ isTls: false, master: undefined },
  });
  expect(targetOf('rediss+sentinel://:p@a,b:1/m?sentinelUser=s&sentinelPassword=t%3A')).toMatchObject({
    ...{
      addresses: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 1 },
      ],
      isTls: true,
      master: 'm',
    },
    ...{ credentials: { password: 'p' }, sentinelCredentials: { username: 's', password: 't:' } },
  });
  const odd = 'a%41b+c&d';
  expect(
    targetOf(`redis+sentinel://h/m?sentinelPassword=${encodeURIComponent(odd)}&sentinelUser=a+b&db=2`),
  ).toMatchObject({
    ...{ sentinelCredentials: { username: 'a+b', password: odd }, database: 2 },
  });
  for (const url of ['http://h', 'redis://a,b', 'redis+sentinel://h', 'redis://h/x', 'redis://h:p w@'])
    expect(() => targetOf(url)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
});

test('a text is without the passwords of a URL, and without what a terminal would act on', () => {
  const url = 'redis+sentinel://me:a%3Abcd@h/m?sentinelPassword=wxyz';
  expect(concealed(`at ${url}: a%3Abcd or a:bcd, wxyz`, url)).toBe(
    'at redis+sentinel://***@h/m?sentinelPassword=***: *** or ***, ***',
  );
  expect(concealed('an apple', 'redis://:a@host')).toBe('an apple');
  expect(printable('a\u202eb\n')).toBe('a\\u202eb\\u000a');
});
