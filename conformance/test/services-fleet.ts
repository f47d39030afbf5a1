// What the tests of sentinels, clusters and TLS have in common.
import type { TestContext } from 'vitest';
import { findExecutable } from '../src/services/executable.ts';
import type { RedisNode, RedisServer } from '../src/services/index.ts';
import { installRedisPackage } from '../src/services/redis-package.ts';

/** A machine that can have no redis-server says so in the report. */
export const needsRedis = async (context: TestContext): Promise<void> => {
  if (findExecutable('redis-server') !== undefined) return;
  const unavailable = await installRedisPackage();
  if (unavailable !== undefined) context.skip(unavailable);
};

/** The process and the directory of a server. */
export const remainsOf = async ({ cli }: RedisNode | RedisServer): Promise<{ pid: number; config: string }> => {
  const info = String(await cli('INFO', 'server'));
  const field = (name: string): string => new RegExp(`^${name}:(.*)\\r$`, 'm').exec(info)?.[1] ?? '';
  return { pid: Number(field('process_id')), config: field('config_file') };
};

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
