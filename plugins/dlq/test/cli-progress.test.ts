import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { isConfirmed } from '../src/cli/confirmation.ts';
import { Progress } from '../src/cli/progress.ts';

const scene = (stream: { isTTY?: boolean; columns?: number }, total?: number) => {
  let now = 0;
  const written: string[] = [];
  const progress = new Progress({ ...stream, write: (text) => written.push(text) }, total, () => now);
  const at = (ms: number, redriven: number, refused = 0): void => {
    now = ms;
    progress.update({ redriven, purged: 0, gone: 0, refused, failed: 0, unknown: 0 });
  };
  return { at, written, progress };
};

test('on a terminal one line is drawn over, ten times a second at most, no wider than the terminal', () => {
  const { at, written, progress } = scene({ isTTY: true, columns: 30 }, 1000);
  for (let ms = 1; ms <= 1000; ms++) at(ms, ms - 1, 1);
  expect(written).toHaveLength(10);
  expect(written[4]).toBe('\r\u001b[K[##########----------] 500/10');
  progress.end();
  expect(written.at(-1)).toBe('\r\u001b[K');
  const wide = scene({ isTTY: true }, 1000);
  wide.at(1000, 250);
  expect(wide.written).toEqual(['\r\u001b[K[#####---------------] 250/1000, 25 %, 250/s, 3 s left']);
});

test('elsewhere a plain line comes every five seconds', () => {
  const { at, written, progress } = scene({}, 100_000);
  for (let ms = 100; ms <= 12_000; ms += 100) at(ms, ms / 100);
  progress.end();
  expect(written).toEqual(['50/100000, 0 %, 10/s, 3 h left\n', '100/100000, 0 %, 10/s, 3 h left\n']);
});

test('where nothing is known of the whole, the number and the rate are told', () => {
  const { at, written } = scene({});
  at(10_000, 5);
  expect(written).toEqual(['5, 0.5/s\n']);
});

test.each([
  ['y\n', true],
  ['YES\n', true],
  ['\n', false],
  ['no\n', false],
  ['', false],
])('the answer %j means %s', async (answer, expected) => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const asked = isConfirmed('Remove 3? ', input, output, new AbortController().signal);
  input.end(answer);
  expect(await asked).toBe(expected);
  expect(String(output.read())).toBe('Remove 3? ');
});

test('a signal while it asks means no', async () => {
  const stop = new AbortController();
  const asked = isConfirmed('Remove 3? ', new PassThrough(), new PassThrough(), stop.signal);
  stop.abort();
  expect(await asked).toBe(false);
});
