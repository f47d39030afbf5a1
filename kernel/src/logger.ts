/**
 * The least that a logger must offer. pino and Nest's `Logger` satisfy it as they are: fields first, message second. `info` is
 * used where it exists, else `log`.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info?(fields: object, message: string): void;
  log?(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Warnings and errors to the console, nothing else: silence is how a stopped consumer stays unnoticed. */
export const consoleLogger: Logger = {
  debug() {},
  info() {},
  warn: (fields, message) => console.warn(`[events] ${message}`, fields),
  error: (fields, message) => console.error(`[events] ${message}`, fields),
};
