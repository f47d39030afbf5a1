import { randomBytes } from 'node:crypto';
import { redis } from '@logistically/events-conformance/services';
import { redisStreams } from '@logistically/events-redis-streams';
import { expect, test } from 'vitest';
import { concealed } from '../src/cli/secret.ts';
import { start } from './cli-process.ts';
import { buryMany, startNode, until } from './scene.ts';

const PASSWORD = 'geheim/is:t';

test('no command, done or failed, prints the password', { timeout: 180_000 }, async () => {
  await using server = await redis({ password: PASSWORD, exclusive: true });
  const prefix = `dlq-${randomBytes(4).toString('hex')}`;
  const url = `redis://:${encodeURIComponent(PASSWORD)}@${server.host}:${server.port}`;
  const kernel = await startNode({}, redisStreams({ url, prefix }));
  await buryMany(kernel, 3, () => new Error(`no ${url}`));
  const [letter] = (await kernel.dlq.list()).letters;
  const printed: string[] = [];
  const codes: (number | null)[] = [];
  const run = async (...args: string[]): Promise<void> => {
    const { out, err, code } = await start([...args, '--prefix', prefix, '--url', url]).exit;
    printed.push(out, err);
    codes.push(code);
  };
  for (const asJson of [[], ['--json']]) {
    await run('list', ...asJson);
    await run('show', letter?.id as string, '--payload', ...asJson);
    await run('stats', ...asJson);
    await run('redrive', '--all', '--dry-run', ...asJson);
  }
  expect(codes).toEqual(Array(8).fill(0));
  await run('redrive', '--all', '--fast');
  await run('lst', url);
  await run('show', `redis://me:${PASSWORD.repeat(9)}@host`);
  const wrong = await start(['list'], { EVENTS_DLQ_URL: url.replace('geheim', 'geheim2') }).exit;
  expect(wrong).toMatchObject({ code: 2, err: 'Redis does not accept this user and password.\n' });
  const running = start(['redrive', '--all', '--per-second', '1', '--prefix', prefix], { EVENTS_DLQ_URL: url });
  await until(async () => (await kernel.dlq.stats()).depth === 2, 'the first is sent again');
  await server.kill();
  const broken = await running.exit;
  expect(broken.code).toBe(1);
  expect(broken.out).toMatch(/redriven 1, .*failed 0, unknown 1; ended/);
  for (const text of [...printed, wrong.out, wrong.err, broken.out, broken.err])
    expect(text).not.toMatch(/geheim|is:t|is%3At/);
});

test('a text is without the credentials of URLs and without the password, however it is written', () => {
  const url = 'redis://me:a%3Abcd@host';
  expect(concealed(`at ${url}: a%3Abcd or a:bcd, and amqp://x:y/z@h/p`, url)).toBe(
    'at redis://***@host: *** or ***, and amqp://***@h/p',
  );
  expect(concealed('no redis://me:a/b c#d@host', 'none')).toBe('no redis://***@host');
  expect(concealed('an apple', 'redis://:a@host')).toBe('an apple');
  expect(concealed('no address', 'none')).toBe('no address');
});
