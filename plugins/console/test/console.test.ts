import {
  createKernel,
  derive,
  type KernelOptions,
  type Logger,
  type Middleware,
  type OutgoingEvent,
  type Payload,
  transform,
} from '@logistically/events-kernel';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type ConsoleOptions, console as consoleTransport } from '../src/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const printing = async (
  options: ConsoleOptions = {},
  kernelOptions: Partial<KernelOptions> = {},
  ...use: Middleware[]
) => {
  const lines: string[] = [];
  const kernel = createKernel({ service: 'shop', logger: quiet, ...kernelOptions }).use(
    consoleTransport({ write: (line) => void lines.push(line), ...options }),
  );
  for (const middleware of use) kernel.use(middleware);
  await kernel.start();
  onTestFinished(async () => {
    await kernel.stop(200);
  });
  return { kernel, lines };
};

/** A layer that writes another payload, as one that encrypts or compresses does. */
const replacing = (payload: Payload): Middleware => ({
  kind: 'middleware',
  name: 'replacing',
  publish: { stage: 'encode', layer: transform((event: OutgoingEvent) => derive(event, { payload })) },
});

test('a line says when, what, from where, which one, its key and its body', async () => {
  const { kernel, lines } = await printing({}, { originPrefix: 'eu.de' });
  const { header } = await kernel.publish('order.placed', { total: 12 }, { key: 'c-7' });
  expect(lines).toEqual([`${header.timestamp} order.placed eu.de/shop ${header.id} key=c-7 {"total":12}`]);
});

test('without key, prefix and body there is less to say', async () => {
  const { kernel, lines } = await printing();
  const { header } = await kernel.publish('order.placed', undefined);
  expect(lines).toEqual([`${header.timestamp} order.placed shop ${header.id}`]);
});

test('a long body is shortened, never in the middle of a character', async () => {
  const { kernel, lines } = await printing({ maxBodyLength: 6 });
  await kernel.publish('a.b', 'abcdefgh');
  await kernel.publish('a.b', 'abcd🙂🙂');
  expect(lines[0]).toMatch(/ "abcde… \(4 more\)$/);
  expect(lines[1]).toMatch(/ "abcd… \(5 more\)$/);
});

test.each(['line', 'json'] as const)(
  'no text of an event controls the terminal or begins another %s',
  async (format) => {
    const { kernel, lines } = await printing({ format, maxBodyLength: 10_000 });
    const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('');
    const hostile = `\u001b]0;owned\u0007\u001b[2J\r\n2026-01-01T00:00:00Z user.deleted shop\u009b31m\u202e\u2028\u2066${all}\u{e0001}`;
    await kernel.publish('a.b', { [hostile]: hostile }, { key: hostile, headers: { [hostile]: hostile } });
    expect(lines).toHaveLength(1);
    const unsafe = [...(lines[0] ?? '')].filter((character) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(character));
    expect(unsafe).toEqual([]);
    if (format === 'json') expect(JSON.parse(lines[0] ?? '')).toMatchObject({ body: { [hostile]: hostile } });
  },
);

test('as JSON there is one object a line: topic, header and body', async () => {
  const { kernel, lines } = await printing({ format: 'json', maxBodyLength: 1 });
  const { header } = await kernel.publish('order.placed', { text: 'long' }, { key: 'k', headers: { trace: '1' } });
  await kernel.publish('order.placed', undefined);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { topic: 'order-events', header: { ...header, headers: { trace: '1' } }, body: { text: 'long' } },
    { topic: 'order-events', header: { type: 'order.placed' } },
  ]);
});

test.each([
  ['line', 'SECRET', / "SECRET"$/],
  ['line', new Uint8Array([1, 2, 3]), / <3 bytes>$/],
  ['json', 'SECRET', /"payload":"SECRET"}$/],
  ['json', new Uint8Array([1, 2, 3]), /"payload":"AQID"}$/],
] as const)('what a layer made of the body is printed instead of it (%s, %s)', async (format, payload, expected) => {
  const { kernel, lines } = await printing({ format }, {}, replacing(payload));
  await kernel.publish('a.b', 'plain text');
  expect(lines[0]).toMatch(expected);
  expect(lines[0]).not.toContain('plain text');
});

test('colours are written when they are asked for, around text that cannot end them', async () => {
  const { kernel, lines } = await printing({ colors: true });
  const { header } = await kernel.publish('a.b', '\u001b[0m');
  expect(lines).toEqual([
    `\u001b[2m${header.timestamp}\u001b[0m \u001b[1ma.b\u001b[0m shop \u001b[2m${header.id}\u001b[0m "\\u001b[0m"`,
  ]);
});

test('a writer that throws or rejects has rejected that event, and no other', async () => {
  const { kernel } = await printing({
    write: (line) => {
      if (line.includes('"throws"')) throw new Error('disk full');
      return line.includes('"rejects"') ? Promise.reject(new Error('disk full')) : undefined;
    },
  });
  const events = ['one', 'throws', 'two', 'rejects', 'three'].map((body) => ({ type: 'a.b', body }));
  const reason = { code: 'EVENTS_CONSOLE_WRITE', cause: { message: 'disk full' } };
  await expect(kernel.publishBatch(events)).rejects.toMatchObject({
    failures: [
      { index: 1, reason },
      { index: 3, reason },
    ],
  });
});

test('lines keep the order of publishing', async () => {
  const { kernel, lines } = await printing();
  await Promise.all(Array.from({ length: 20 }, (_, n) => kernel.publish('a.b', n)));
  expect(lines.map((line) => Number(line.split(' ').at(-1)))).toEqual(Array.from({ length: 20 }, (_, n) => n));
});

test('by default lines go to standard output, and publishing waits for them', async () => {
  const written: unknown[] = [];
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(((line: string, done: () => void) => {
    setImmediate(() => {
      written.push(line);
      done();
    });
    return true;
  }) as typeof process.stdout.write);
  onTestFinished(() => stdout.mockRestore());
  const kernel = await createKernel({ service: 'shop', logger: quiet })
    .use(consoleTransport({ colors: false }))
    .start();
  const { header } = await kernel.publish('a.b', 1);
  await kernel.stop();
  expect(written).toEqual([`${header.timestamp} a.b shop ${header.id} 1\n`]);
});

test('options are checked', () => {
  for (const options of [{ format: 'xml' }, { maxBodyLength: -1 }, { maxBodyLength: Number.NaN }])
    expect(() => consoleTransport(options as ConsoleOptions)).toThrow(
      expect.objectContaining({ code: 'EVENTS_CONFIG' }),
    );
});
