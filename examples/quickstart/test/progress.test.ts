import { expect, test } from 'vitest';
import { Progress, type Screen } from '../src/progress.ts';

const record = (isTTY: boolean): Screen & { readonly written: string[] } => {
  const written: string[] = [];
  return { isTTY, written, write: (text) => written.push(text) };
};

test('on a terminal the bar grows on one line and is taken away in the end', () => {
  const screen = record(true);
  const progress = new Progress(screen, 4);
  progress.show(1);
  progress.show(1);
  progress.show(4);
  progress.clear();
  expect(screen.written).toEqual([
    `\r\u001b[2K${'█'.repeat(8)}${'░'.repeat(24)} 1/4 handled`,
    `\r\u001b[2K${'█'.repeat(32)} 4/4 handled`,
    '\r\u001b[2K',
  ]);
});

test('elsewhere nothing is written', () => {
  const screen = record(false);
  const progress = new Progress(screen, 4);
  progress.show(1);
  progress.clear();
  expect(screen.written).toEqual([]);
});
