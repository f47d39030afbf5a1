import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { dockerUnavailable } from '../src/services/docker-engine.ts';
import { type PostgresOptions, type PostgresService, postgres, spawnWorker } from '../src/services/index.ts';

const start = async (options: PostgresOptions = {}): Promise<PostgresService> => {
  const service = await postgres(options);
  onTestFinished(() => service.stop());
  return service;
};
const own = (): Promise<PostgresService> => start({ sources: ['binary', 'package', 'container'] });

const message = (kind: string, body: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(kind), length, body]);
};

/** What a query answers, as the bytes that came; the smallest client that there can be. */
const ask = ({ host, port }: PostgresService, query: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, host, () => {
      const hello = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from('user\0postgres\0database\0postgres\0\0')]);
      socket.write(message('', hello));
      socket.write(message('Q', Buffer.from(`${query}\0`)));
    });
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      // It is ready for a query for the second time.
      if (answer.split('Z\0\0\0\x05').length > 2) socket.end(message('X', Buffer.alloc(0)));
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
const isGone = (service: PostgresService): Promise<boolean> =>
  ask(service, 'SELECT 1').then(
    () => false,
    () => true,
  );

afterEach(() => {
  vi.unstubAllEnvs();
});

test('two servers are their callers’ own, and nothing is left of one that is stopped', async () => {
  const [one, two] = await Promise.all([own(), own()]);
  expect(one.url).toBe(`postgres://postgres@${one.host}:${one.port}/postgres`);
  expect(two.port).not.toBe(one.port);
  expect(await ask(one, "CREATE TABLE mine (n int); SELECT 'made'")).toContain('made');
  expect(await ask(two, 'SELECT * FROM mine')).toContain('relation "mine" does not exist');
  const directory = /(\/[^\0]*)\/data/.exec(await ask(one, 'SHOW data_directory'))?.[1] ?? '';
  if (one.source === 'binary') expect(existsSync(directory)).toBe(true);
  await Promise.all([one.stop(), one.stop()]);
  expect(await isGone(one)).toBe(true);
  if (one.source === 'binary') expect(existsSync(directory)).toBe(false);
  expect(await ask(two, "SELECT 'there'")).toContain('there');
});

test('a server ends with the process that asked for it, however that dies', async () => {
  const worker = spawnWorker(new URL('./services-postgres-worker.ts', import.meta.url));
  onTestFinished(() => worker.stop());
  const { port } = await worker.next<{ port: number }>();
  const there = { host: '127.0.0.1', port } as PostgresService;
  expect(await ask(there, "SELECT 'there'")).toContain('there');
  worker.kill('SIGKILL');
  await worker.exit;
  while (!(await isGone(there))) await sleep(10);
});

test('the address in the environment comes first, and its server is left alone', async () => {
  const there = await own();
  vi.stubEnv('POSTGRES_URL', there.url);
  const service = await start();
  expect(service).toMatchObject({ source: 'environment', url: there.url, port: there.port });
  await service.stop();
  expect(await ask(there, "SELECT 'there'")).toContain('there');
});

test('an address in the environment where no PostgreSQL answers is an error, without its password', async () => {
  const gone = await own();
  await gone.stop();
  vi.stubEnv('POSTGRES_URL', gone.url.replace('postgres@', 'postgres:hidden@'));
  const failure = await postgres().catch((error: Error) => error);
  expect(failure).toMatchObject({
    code: 'EVENTS_SERVICE_UNAVAILABLE',
    message: expect.stringContaining(String(gone.port)),
  });
  expect(JSON.stringify(failure, Object.getOwnPropertyNames(failure))).not.toContain('hidden');

  vi.stubEnv('POSTGRES_URL', 'mysql://localhost');
  await expect(postgres()).rejects.toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
});

test('without any source the error names all that was tried', async () => {
  vi.stubEnv('POSTGRES_URL', '');
  vi.stubEnv('DOCKER_HOST', 'unix:///nowhere/docker.sock');
  const failure = await postgres({ sources: ['environment', 'container'] }).catch((error: Error) => error);
  expect(failure).toMatchObject({ code: 'EVENTS_SERVICE_UNAVAILABLE' });
  for (const words of ['POSTGRES_URL is not set', '/nowhere/docker.sock'])
    expect((failure as Error).message).toContain(words);
});

test('a server in a container answers', { timeout: 180_000 }, async (context) => {
  const unavailable = await dockerUnavailable();
  if (unavailable !== undefined) return context.skip(unavailable);
  const service = await start({ sources: ['container'] });
  expect(service.source).toBe('container');
  expect(await ask(service, "SELECT 'there'")).toContain('there');
});
