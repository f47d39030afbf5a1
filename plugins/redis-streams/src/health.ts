import type { Commands } from './commands.ts';

/** How long an answer is waited for. */
const PATIENCE_MS = 1500;

/** What `INFO memory` tells of a server that has no room for another event. */
const capacityProblem = (info: string): string | undefined => {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const limit = Number(field('maxmemory'));
  if (!(limit > 0) || Number(field('used_memory')) < limit || field('maxmemory_policy') !== 'noeviction')
    return undefined;
  return 'Redis is at its memory limit (maxmemory) and takes no events: give it room, or set `retention`.';
};

/** What `INFO replication` tells of a server that takes no writes. */
const roleProblem = (info: string): string | undefined =>
  /^role:slave\r?$/m.test(info) ? 'this server is a read-only replica: connect to the master' : undefined;

/** What is wrong with the server or the way to it, in words; nothing when all is well. */
export const serverProblem = async (commands: Commands): Promise<string | undefined> => {
  if (!commands.up) return 'no connection to Redis';
  try {
    const [, memory, replication] = await Promise.all([
      // A server that cannot write to its disk refuses it.
      commands.run((client) => client.ping(), PATIENCE_MS),
      commands.run((client) => client.info('memory'), PATIENCE_MS),
      commands.run((client) => client.info('replication'), PATIENCE_MS),
    ]);
    return roleProblem(replication) ?? capacityProblem(memory);
  } catch (error) {
    return error instanceof Error ? error.message : 'PING failed';
  }
};
