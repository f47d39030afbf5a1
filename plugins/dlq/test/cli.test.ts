import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sharedRedis } from '@logistically/events-conformance/services';
import type { Transport } from '@logistically/events-kernel';
import { type RedisStreamsCapabilities, redisStreams } from '@logistically/events-redis-streams';
import { describe, expect, onTestFinished, test } from 'vitest';
import { build, command, start } from './cli-process.ts';
import { buryMany, type Node, startNode, until } from './scene.ts';

const { url } = await sharedRedis();
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Place {
  readonly kernel: Node;
  readonly transport: Transport<RedisStreamsCapabilities>;
  readonly prefix: string;
  /** Runs the CLI on it, to its end. */
  readonly run: (...args: string[]) => ReturnType<typeof start>['exit'];
}

/** Dead letters of a key prefix of their own. */
const place = async (count: number, fail?: () => unknown, partitions = 1): Promise<Place> => {
  const prefix = `dlq-cli-${randomBytes(4).toString('hex')}`;
  const transport = redisStreams({ url, prefix, partitions });
  const kernel = await startNode({}, transport);
  if (count > 0) await buryMany(kernel, count, fail);
  return {
    kernel,
    transport,
    prefix,
    run: (...args) => start([...args, '--prefix', prefix], { EVENTS_DLQ_URL: url }).exit,
  };
};

const directory = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'events-dlq-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
};

const ids = async (kernel: Node): Promise<readonly string[]> => (await kernel.dlq.list()).letters.map(({ id }) => id);

describe('looking', () => {
  test('list prints a line for each letter, and JSON where it is asked for', async () => {
    const { kernel, run } = await place(5, () => Object.assign(new Error('no stock'), { code: 'E_STOCK' }));
    const all = await ids(kernel);
    const { code, out, err } = await run('list', '--class', 'processing', '--limit', '3');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const [head, ...lines] = out.trimEnd().split('\n');
    expect(head).toMatch(/^ID +CLASS +CODE +ATTEMPTS +FAILED AT +MESSAGE$/);
    for (const n of [0, 1, 2])
      expect(lines[n]).toMatch(new RegExp(`^${all[n]}  processing  E_STOCK  1 +20\\S+Z  no stock$`));
    expect(lines.slice(3)).toEqual(['', `There are more: --after ${all[2]}`]);
    const page = JSON.parse((await run('list', '--after', all[2] as string, '--json')).out);
    expect(page.letters.map(({ id }: { id: string }) => id)).toEqual(all.slice(3));
    expect(page.letters[0]).toMatchObject({ group: 'shop', error: { code: 'E_STOCK' }, attempts: 1 });
    expect(page.letters[0]).not.toHaveProperty('payload');
    expect(page.letters[0]).not.toHaveProperty('envelope');
    expect((await run('list', '--class', 'timeout')).out).toBe('There are none.\n');
  });

  test('letters of every partition are seen', async () => {
    const { kernel, run } = await place(0, undefined, 8);
    await kernel.subscribe('order.placed', () => {
      throw Object.assign(new Error('no'), { permanent: true });
    });
    for (const partition of [0, 3, 7]) await kernel.publish('order.placed', partition, { partition });
    await until(async () => (await kernel.dlq.stats()).depth === 3, 'all are dead');
    const { letters } = JSON.parse((await run('list', '--json')).out);
    expect(letters.map(({ partition }: { partition: number }) => partition)).toEqual([0, 3, 7]);
    expect(JSON.parse((await run('list', '--json', '--partitions', '1')).out).letters).toHaveLength(1);
  });

  test('show tells all that is noted, and the event only with --payload', async () => {
    const { kernel, run } = await place(1);
    const [letter] = (await kernel.dlq.list()).letters;
    const id = letter?.id as string;
    const { out, code } = await run('show', id);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^consumer +shop@\\S+:${process.pid}$`, 'm'));
    expect(out).toMatch(new RegExp(`^fingerprint +${letter?.fingerprint}$`, 'm'));
    expect(out).not.toContain('"body"');
    expect((await run('show', '--id', id, '--payload')).out).toContain(letter?.payload);
    const shown = JSON.parse((await run('show', id, '--json', '--payload')).out);
    expect(shown).toMatchObject({ id, notes: letter?.notes, payload: letter?.payload });
    expect(JSON.parse((await run('show', id, '--json')).out)).not.toHaveProperty('payload');
  });

  test('stats count by class and cause', async () => {
    const { run } = await place(3);
    const { out, code } = await run('stats');
    expect(code).toBe(0);
    expect(out).toMatch(/^letters +3$/m);
    expect(out).toMatch(/^processing +3$/m);
    expect(out).toMatch(/^[\da-f]{16} +3 +no$/m);
    expect(JSON.parse((await run('stats', '--json')).out)).toMatchObject({ depth: 3, byClass: { processing: 3 } });
    expect(JSON.parse((await run('stats', '--json', '--topic', 'user-events')).out)).toMatchObject({ depth: 0 });
  });

  test('nothing that a terminal would act on is printed as it is', async () => {
    const { kernel, run } = await place(1, () => new Error('\u001b[2Jgone \u009b31m\u202e\nline'));
    const [id] = await ids(kernel);
    for (const args of [
      ['list'],
      ['list', '--json'],
      ['show', id as string, '--payload'],
      ['stats'],
      ['stats', '--json'],
    ]) {
      const { out } = await run(...args);
      expect(out).not.toMatch(/[^\P{C}\n]/u);
      expect(out).toContain('\\u202e');
    }
  });

  test('who reads no further is no error', async () => {
    const { prefix } = await place(1500);
    const shell = '{ "$@"; echo "code $?" >&2; } | head -1';
    const run = ['sh', '-c', shell, 'sh', ...command()] as const;
    const { out, err } = await start(
      ['list', '--limit', '1500', '--prefix', prefix],
      { EVENTS_DLQ_URL: url },
      { run: [...run] },
    ).exit;
    expect(out).toMatch(/^ID .*\n$/);
    expect(err).toBe('code 0\n');
  });
});

describe('redrive and purge', () => {
  test('go on when nobody looks at their progress any more', async () => {
    const { kernel, prefix } = await place(8);
    const shell = '{ { "$@" >/dev/null; echo "code $?" >&3; } 2>&1 | true; } 3>&1';
    const run = ['sh', '-c', shell, 'sh', ...command()] as const;
    const args = ['redrive', '--all', '--per-second', '1.2', '--prefix', prefix];
    expect((await start(args, { EVENTS_DLQ_URL: url }, { run: [...run] }).exit).out).toBe('code 0\n');
    expect(await ids(kernel)).toEqual([]);
  });

  test('a redrive sends again what was selected, to the group that failed, and tells who wanted it', async () => {
    const { kernel, transport, run } = await place(3);
    const [first, second, third] = await ids(kernel);
    const tried = await run('redrive', '--id', first as string, '--dry-run', '--json');
    expect(JSON.parse(tried.out)).toMatchObject({ redriven: 1, dryRun: true, outcomes: [{ id: first }] });
    const args = ['--id', first as string, '--id', second as string, '--by', 'ann'];
    const done = await run('redrive', ...args);
    expect(done).toMatchObject({ code: 0, out: 'redriven 2, gone 0, refused 0, failed 0\n', err: '' });
    expect(await ids(kernel)).toEqual([third]);
    expect((await run('redrive', '--type', 'order.placed', '--to', 'all')).code).toBe(0);
    const entries = await transport.capabilities.log.read('order-events');
    expect(entries.slice(-3).map(({ notes }) => notes?.redriveFor)).toEqual(['shop', 'shop', undefined]);
    const [trail] = await transport.capabilities.log.read('dlq-events');
    expect(JSON.parse(String(trail?.payload))).toMatchObject({
      header: { type: 'dlq.redriven', origin: 'events-dlq' },
      body: { by: 'ann', ids: [first, second] },
    });
  });

  test('limits, times and the loop guard are kept', async () => {
    const { kernel, run } = await place(3);
    const later = new Date(Date.now() + 60_000).toISOString();
    expect((await run('purge', '--since', later, '--yes')).out).toContain('purged 0');
    expect((await run('purge', '--until', later, '--limit', '1', '--yes')).out).toContain('purged 1');
    const guarded = await run('redrive', '--all', '--max-redrives', '0');
    expect(guarded.code).toBe(1);
    expect(guarded.out).toMatch(
      /^redriven 0, gone 0, refused 2, failed 0\nrefused +dlq:order-events\/0\/\S+ +The dead letter stays/,
    );
    expect(await ids(kernel)).toHaveLength(2);
    expect((await run('redrive', '--all', '--max-redrives', '0', '--force', '--json')).code).toBe(0);
    expect(await ids(kernel)).toEqual([]);
  });

  test('what was named and is gone is told by the exit code', async () => {
    const { kernel, run } = await place(1);
    const [id] = await ids(kernel);
    expect((await run('purge', '--id', id as string, '--yes')).code).toBe(0);
    expect(await run('purge', '--id', id as string, '--yes')).toMatchObject({
      code: 1,
      out: `purged 0, gone 1, refused 0, failed 0\ngone  ${id}\n`,
    });
    expect(await run('show', id as string)).toMatchObject({ code: 1, out: '', err: 'There is no such dead letter.\n' });
  });

  test('with nobody to ask, purge removes nothing without --yes', async () => {
    const { kernel, run } = await place(1);
    expect(await run('purge', '--all')).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--yes') });
    expect(await run('purge', '--all', '--dry-run')).toMatchObject({ code: 0 });
    expect(await ids(kernel)).toHaveLength(1);
    expect((await run('purge', '--all', '--yes', '--json')).code).toBe(0);
    expect(await ids(kernel)).toEqual([]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends it after the letter, with a report; another run does the rest', async (signal, code) => {
    const { kernel, transport, prefix, run } = await place(6);
    const args = ['redrive', '--all', '--per-second', '0.1', '--json', '--prefix', prefix];
    const running = start(args, { EVENTS_DLQ_URL: url });
    await until(async () => (await ids(kernel)).length === 5, 'the first is sent again');
    running.kill(signal);
    const ended = await running.exit;
    expect(ended).toMatchObject({ code, err: '' });
    expect(JSON.parse(ended.out)).toMatchObject({ redriven: 1, failed: 0, stopped: true });
    const [trail] = await transport.capabilities.log.read('dlq-events');
    expect(JSON.parse(String(trail?.payload)).body).toMatchObject({ counts: { redriven: 1 } });
    expect(JSON.parse((await run('redrive', '--all', '--json')).out)).toMatchObject({ redriven: 5, stopped: false });
    expect(await transport.capabilities.log.read('order-events')).toHaveLength(12);
  });
});

describe('wrong use ends with 2, and says what is right', () => {
  test.each<[string, string[], RegExp]>([
    ['no command', [], /Say what to do: list/],
    ['an unknown command', ['drop'], /Say what to do: list/],
    ['an unknown option', ['list', '--fast'], /--fast/],
    ['an option of another command', ['list', '--force'], /list does not take --force/],
    ['a word too many', ['list', 'redis://:geheim@host'], /a word too many/],
    ['no id', ['show'], /show takes one id/],
    ['an id that is none', ['show', 'x'], /no id of a dead letter/],
    ['a number that is none', ['list', '--limit', 'all'], /--limit takes a number/],
    ['a time that is none', ['list', '--since', 'yesterday'], /--since takes a time/],
    ['a recipient that is none', ['redrive', '--to', 'some', '--all'], /--to takes `group` or `all`/],
    ['a purge to somebody', ['purge', '--to', 'all', '--yes'], /purge does not take --to/],
    ['no selection for redrive', ['redrive'], /--all/],
    ['no selection for purge', ['purge', '--yes', '--limit', '5'], /--all/],
    ['a selection and --all', ['redrive', '--all', '--class', 'timeout'], /contradict/],
    ['another broker', ['list', '--url', 'amqp://me:geheim@host'], /--transport/],
    ['a URL that is none', ['list', '--url', 'redis//:geheim@host'], /--transport/],
    ['a module that is not there', ['list', '--transport', './none.mjs'], /none\.mjs cannot be loaded/],
    ['a module and a URL', ['list', '--transport', './x.mjs', '--url', url], /contradict/],
    ['no server', ['list', '--url', 'redis://:geheim@127.0.0.1:1'], /no connection to Redis \(ECONNREFUSED\)/],
  ])('%s', async (_, args, message) => {
    const { code, out, err } = await start(args, args.includes('--transport') ? {} : { EVENTS_DLQ_URL: url }).exit;
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
    expect(err).not.toContain('geheim');
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });

  test('nowhere to look', async () => {
    const { code, err } = await start(['list']).exit;
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('EVENTS_DLQ_URL') });
  });

  test('--help explains all', async () => {
    const { code, out } = await start(['--help']).exit;
    expect(code).toBe(0);
    expect(out).toContain('--max-redrives <n>');
  });
});

describe('the transport', () => {
  test('is that of a module, which knows its own address; plain Node reads TypeScript too', async () => {
    const { kernel, prefix } = await place(2);
    const cli = join(directory(), 'cli.mjs');
    await build(cli);
    const env = { TEST_URL: url, TEST_PREFIX: prefix, REDIS_URL: 'redis://127.0.0.1:1' };
    const args = ['redrive', '--all', '--transport', here('./transport-module.ts')];
    const { code, out, err } = await start(args, env, { run: [process.execPath, cli] }).exit;
    expect({ code, out, err }).toEqual({ code: 0, out: 'redriven 2, gone 0, refused 0, failed 0\n', err: '' });
    expect(await ids(kernel)).toEqual([]);
  });

  test('must offer what dead letters need, and be one', async () => {
    const cwd = directory();
    writeFileSync(
      join(cwd, 'poor.mjs'),
      "export default () => ({ kind: 'transport', name: 'poor', capabilities: {}, async open() {}, async close() {}, publish() {} });",
    );
    writeFileSync(join(cwd, 'none.mjs'), 'export default () => ({});');
    writeFileSync(
      join(cwd, 'torn.mjs'),
      "export default () => { throw Object.assign(new Error('no amqp://me:geheim@host'), { url: 'geheim' }); };",
    );
    for (const [file, message] of [
      ['poor.mjs', 'handoff'],
      ['none.mjs', 'offers no transport'],
      ['torn.mjs', 'no amqp://***@host\n'],
    ] as const)
      expect(await start(['list', '--transport', file], {}, { cwd }).exit).toMatchObject({
        code: 2,
        err: expect.stringContaining(message),
      });
  });

  test('for Redis is the copy of the directory where it is called', async () => {
    const cwd = directory();
    const home = join(cwd, 'node_modules/@logistically/events-redis-streams');
    mkdirSync(home, { recursive: true });
    writeFileSync(
      join(home, 'package.json'),
      '{ "type": "module", "exports": { ".": { "types": "./i.d.ts", "default": "./i.js" } } }',
    );
    writeFileSync(
      join(home, 'i.js'),
      "export const redisStreams = () => { throw new Error('the copy of this directory'); };",
    );
    const { code, err } = await start(['list'], { REDIS_URL: url }, { cwd }).exit;
    expect({ code, err }).toEqual({ code: 2, err: 'the copy of this directory\n' });
  });

  test('for Redis is asked for where it is not installed', async () => {
    const cwd = directory();
    cpSync(here('../src'), join(cwd, 'src'), { recursive: true });
    writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
    mkdirSync(join(cwd, 'node_modules/@logistically'), { recursive: true });
    symlinkSync(here('../../../kernel'), join(cwd, 'node_modules/@logistically/events-kernel'));
    const { code, err } = await start(['list'], { EVENTS_DLQ_URL: url }, { cwd, run: command(join(cwd, 'src/cli.ts')) })
      .exit;
    expect({ code, err }).toEqual({
      code: 2,
      err: 'The transport for Redis is not installed here: npm install @logistically/events-redis-streams ioredis\n',
    });
  });
});
