import type { GroupState, Inspect } from '@logistically/events-kernel';
import type { Redis } from 'ioredis';
import { type Info, toInfo } from './info.ts';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';

/** Entries after the last delivered one. Redis 7 counts them; where it cannot tell, a bounded count of our own does. */
const lagOf = async (client: Redis, stream: string, info: Info): Promise<number | undefined> => {
  if (typeof info.lag === 'number') return info.lag;
  const page = 1000;
  const after = await client.xrange(stream, `(${info['last-delivered-id']}`, '+', 'COUNT', page);
  return after.length < page ? after.length : undefined;
};

const groupState = async (client: Redis, stream: string, retries: string, info: Info): Promise<GroupState> => {
  const group = info.name as string;
  const [lag, delayed, consumers] = await Promise.all([
    lagOf(client, stream, info),
    client.zcard(retries),
    client.xinfo('CONSUMERS', stream, group) as Promise<unknown[][]>,
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

export const createInspect = (opened: () => Opened, keys: Keys, partitions: number): Inspect => ({
  async topic(topic) {
    const states = Array.from({ length: partitions }, async (_, partition) => {
      const stream = keys.stream(topic, partition);
      return opened().commands.run(async (client) => {
        const length = await client.xlen(stream);
        const infos = ((await client.exists(stream)) ? await client.xinfo('GROUPS', stream) : []) as unknown[][];
        const groups = await Promise.all(
          infos
            .map(toInfo)
            .map((info) => groupState(client, stream, keys.retries(topic, partition, info.name as string), info)),
        );
        return { partition, length, groups };
      });
    });
    return { topic, partitions: await Promise.all(states) };
  },
});
