import { type Info, toInfo } from '../info.ts';
import { createKeys, PARKED } from '../keys.ts';
import { slotOf } from '../slot.ts';
import type { ConsumerFacts, ForeignKey, GroupFacts, StreamFacts, WorkloadFacts } from './facts.ts';
import type { Session } from './session.ts';

/** Bounds of the work, whatever there is. */
const MAX_TOPICS = 500;
const MAX_CONSUMERS = 1000;
const MAX_STUCK = 1000;
/** How many keys are asked for at once. */
const PAGE = 64;

interface WorkloadOptions {
  readonly prefix: string;
  readonly partitions: number;
  readonly idleMs: number;
  /** The connection to the master that has a slot. */
  readonly sessionOf: (slot: number) => Session | undefined;
}

const infosOf = (reply: unknown): readonly Info[] => (Array.isArray(reply) ? reply.map(toInfo) : []);

const paged = async <T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += PAGE) results.push(...(await Promise.all(items.slice(i, i + PAGE).map(act))));
  return results;
};

/** Topics of the set, at most so many, how many were found, and whether there may be more. */
const topicsOf = async (
  session: Session,
  key: string,
): Promise<readonly [topics: readonly string[], count: number, isCut: boolean]> => {
  const topics = new Set<string>();
  let cursor = '0';
  let pages = 0;
  do {
    const reply = await session.ask('sscan', key, cursor, 'COUNT', '500');
    if (!Array.isArray(reply)) break;
    const [next, members] = reply as [string, string[]];
    for (const member of members) topics.add(member);
    cursor = next;
    // One that grows or is rehashed all the while might never end.
  } while (cursor !== '0' && ++pages < 200);
  const sorted = [...topics].sort();
  return [sorted.slice(0, MAX_TOPICS), sorted.length, cursor !== '0'];
};

const consumerOf = ({ name, pending, idle }: Info): ConsumerFacts => ({
  name: String(name),
  pending: Number(pending),
  idleMs: Number(idle),
});

const numberOf = (reply: unknown): number => (typeof reply === 'number' ? reply : Number(reply) || 0);

/** Looks at topics, groups and consumers, within bounds; reads no event. */
export const probeWorkload = async ({
  prefix,
  partitions,
  idleMs,
  sessionOf,
}: WorkloadOptions): Promise<WorkloadFacts> => {
  const keys = createKeys(prefix);
  const foreign: ForeignKey[] = [];
  const home = sessionOf(slotOf(keys.topics));
  if (!home) return { topics: 0, isCut: false, unseen: 0, gone: [], streams: [], foreign };

  /** Whether there is such a key; what has another type is noted. */
  const has = async (session: Session, key: string, wanted: string): Promise<boolean> => {
    const type = await session.ask('type', key);
    if (typeof type !== 'string' || type === 'none') return false;
    if (type !== wanted) foreign.push({ key, where: session.where, type, wanted });
    return type === wanted;
  };

  const time = (await home.ask('time')) as readonly [string, string] | undefined;
  const dueBefore = (time ? Number(time[0]) * 1000 : Date.now()) - idleMs;

  const stuckOf = async (session: Session, key: string, group: string): Promise<readonly [number, boolean]> => {
    const reply = await session.ask('xpending', key, group, 'IDLE', String(idleMs), '-', '+', String(MAX_STUCK));
    const entries = Array.isArray(reply) ? (reply as readonly (readonly [id: string, consumer: string])[]) : [];
    return [entries.filter(([, consumer]) => consumer !== PARKED).length, entries.length === MAX_STUCK];
  };

  const overdueOf = async (session: Session, key: string): Promise<number> =>
    (await has(session, key, 'zset')) ? numberOf(await session.ask('zcount', key, '-inf', String(dueBefore))) : 0;

  const groupOf = async (session: Session, topic: string, partition: number, info: Info): Promise<GroupFacts> => {
    const key = keys.stream(topic, partition);
    const name = String(info.name);
    const [consumers, [stuck, isStuckCut], overdue] = await Promise.all([
      session.ask('xinfo', 'consumers', key, name),
      info.pending === 0 ? ([0, false] as const) : stuckOf(session, key, name),
      overdueOf(session, keys.retries(topic, partition, name)),
    ]);
    return {
      name,
      pending: numberOf(info.pending),
      lag: typeof info.lag === 'number' ? info.lag : undefined,
      consumers: infosOf(consumers)
        .map(consumerOf)
        .filter((consumer) => !consumer.name.startsWith('~'))
        // Who lives is never left off: Redis tells them by name.
        .toSorted((one, other) => one.idleMs - other.idleMs)
        .slice(0, MAX_CONSUMERS),
      stuck,
      isStuckCut,
      overdue,
    };
  };

  const streamOf = async ([topic, partition]: readonly [string, number]): Promise<StreamFacts | undefined> => {
    const key = keys.stream(topic, partition);
    const slot = slotOf(key);
    const session = sessionOf(slot);
    if (!session) return undefined;
    const [isThere, overdue] = await Promise.all([
      has(session, key, 'stream'),
      overdueOf(session, keys.delayed(topic, partition)),
    ]);
    if (!isThere && overdue === 0) return undefined;
    const place = { topic, partition, key, slot, where: session.where, overdue };
    if (!isThere) return { ...place, entries: 0, bytes: 0, groups: [] };
    const [entries, bytes, infos] = await Promise.all([
      session.ask('xlen', key),
      session.ask('memory', 'usage', key),
      session.ask('xinfo', 'groups', key),
    ]);
    const groups: GroupFacts[] = [];
    for (const info of infosOf(infos)) groups.push(await groupOf(session, topic, partition, info));
    return { ...place, entries: numberOf(entries), bytes: numberOf(bytes), groups };
  };

  const isSet = await has(home, keys.topics, 'set');
  const [topics, count, isCut] = isSet ? await topicsOf(home, keys.topics) : [[], 0, false];
  const places = topics.flatMap((topic) =>
    Array.from({ length: partitions }, (_, partition) => [topic, partition] as const),
  );
  const streams = (await paged(places, streamOf)).filter((stream) => stream !== undefined);
  const there = new Set(streams.map(({ topic }) => topic));
  return {
    topics: count,
    isCut,
    unseen: count - topics.length,
    // A foreign key stands where its stream would be: that is told once.
    gone: topics.filter((topic) => !there.has(topic) && !foreign.some(({ key }) => key.endsWith(`:${topic}`))),
    streams,
    foreign,
  };
};
