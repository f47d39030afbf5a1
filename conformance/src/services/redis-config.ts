import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One word as a configuration file of Redis has it. */
export const quoted = (word: string): string => (/^[\w.:/-]+$/.test(word) ? word : JSON.stringify(word));

/** Arguments of `redis-server`, such as `['--port', '0', '--save', '']`, as the lines of a configuration file. */
export const configLines = (args: readonly string[]): string[] => {
  const lines: string[][] = [];
  for (const arg of args) {
    if (arg.startsWith('--')) lines.push([arg.slice(2)]);
    else lines.at(-1)?.push(quoted(arg));
  }
  return lines.map((words) => words.join(' '));
};

/**
 * Writes the file that a server begins with, when it starts for the first time: later it has its own version of it.
 * Returns the file's path.
 */
export const writeConfig = (directory: string, lines: () => readonly string[]): string => {
  const file = join(directory, 'redis.conf');
  if (!existsSync(file)) writeFileSync(file, `${lines().join('\n')}\n`, { mode: 0o600 });
  return file;
};
