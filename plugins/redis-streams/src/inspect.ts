import type { GroupState, Inspect } from '@logistically/events-kernel';
import type { Commands } from './commands.ts';
import { type Info, toInfo } from './info.ts';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';

/**
 * Entries after the last delivered one. Redis 7 counts them; where it cannot tell, a bounded count of our own does, and where
 * there are few: the counter of reads is not replicated, and is behind for ever once another server has taken over.
 */
const lagOf = async (commands: Commands, stream: string, info: Info): Promise<number | undefined> => {
  const told = typeof info.lag === 'number' ? info.lag : undefined;
  if (told === 0) return 0;
  const page = told === undefined ? 1000 : 100;
  const from = `(${info['last-delivered-id']}`;
  const after = await commands.run((client) => client.xrange(stream, from, '+', 'COUNT', page));
  return after.length < page ? after.length : told;
};

const groupState = async (commands: Commands, stream: string, retries: string, info: Info): Promise<GroupState> => {
  const group = info.name as string;
  const [lag, delayed, consumers] = await Promise.all([
    lagOf(commands, stream, info),
    commands.run((client) => client.zcard(retries)),
    commands.run((client) => client.xinfo('CONSUMERS', stream, group) as Promise<unknown[][]>),
  ]);
  return {
    group,
    lag,
    pending: info.pending as number,
    delayed,
    consumers: consumers
      .map(toInfo)
      .filter(({ name }) => !String(name).startsWith('~'))
      .map((consumer) => ({
        consumer: consumer.name as string,
        pending: consumer.pending as number,
        idleMs: consumer.idle as number,
      })),
  };
};

/** Its groups; none where there is no such stream. */
const groupsOf = async (commands: Commands, stream: string): Promise<Info[]> => {
  const exists = await commands.run((client) => client.exists(stream));
  if (exists === 0) return [];
  return ((await commands.run((client) => client.xinfo('GROUPS', stream))) as unknown[][]).map(toInfo);
};

// One key a command: keys of one slot may be on two nodes while they are being moved.
export const createInspect = (opened: () => Opened, keys: Keys, partitions: number): Inspect => ({
  async topic(topic) {
    const states = Array.from({ length: partitions }, async (_, partition) => {
      const stream = keys.stream(topic, partition);
      const { topology } = opened();
      const commands = topology.at(stream);
      const length = await commands.run((client) => client.xlen(stream));
      const infos = await groupsOf(commands, stream);
      const groups = await Promise.all(
        infos.map((info) => groupState(commands, stream, keys.retries(topic, partition, info.name as string), info)),
      );
      const node = topology.nodeOf?.(stream);
      return { partition, length, groups, ...(node !== undefined && { node }) };
    });
    return { topic, partitions: await Promise.all(states) };
  },
});
