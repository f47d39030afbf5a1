import { afterEach, expect, expectTypeOf, test, vi } from 'vitest';
import { consoleLogger, type Logger } from '../src/index.ts';

/** As pino's type: every level takes an object and a text, or a text. */
interface PinoLike {
  debug: PinoLog;
  info: PinoLog;
  warn: PinoLog;
  error: PinoLog;
  child(bindings: object): PinoLike;
}
interface PinoLog {
  <T, Text extends string>(fields: T, message?: T extends string ? never : Text, ...values: unknown[]): void;
  (message: string, ...values: unknown[]): void;
}

/** As Nest's `LoggerService` and `Logger`. */
interface NestLike {
  log(message: unknown, ...optional: unknown[]): void;
  error(message: unknown, stackOrContext?: string): void;
  warn(message: unknown, ...optional: unknown[]): void;
  debug?(message: unknown, ...optional: unknown[]): void;
  verbose?(message: unknown, context?: string): void;
}

test('pino, Nest and the console are loggers as they are', () => {
  expectTypeOf<PinoLike>().toExtend<Logger>();
  expectTypeOf<NestLike & { debug(message: unknown, ...optional: unknown[]): void }>().toExtend<Logger>();
  expectTypeOf<Console>().toExtend<Logger>();
});

afterEach(() => void vi.restoreAllMocks());

test('the default one tells of warnings and errors, and of nothing else', () => {
  const lines: unknown[] = [];
  for (const level of ['debug', 'info', 'log', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((...args) => void lines.push([level, ...args]));
  for (const level of ['debug', 'info', 'warn', 'error'] as const) consoleLogger[level]?.({ a: 1 }, 'said');
  expect(lines).toEqual([
    ['warn', '[events] said', { a: 1 }],
    ['error', '[events] said', { a: 1 }],
  ]);
});
