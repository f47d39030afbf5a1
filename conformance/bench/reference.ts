import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { type BenchBody, bodyOf, createBodies, TYPE } from './body.ts';
import { now } from './clock.ts';
import { inPace, type Pace } from './pace.ts';
import type { OpenPart } from './part.ts';
import { expectCount, Tally, TimedTally } from './tally.ts';
import { WARM_UP_GROUP } from './warm-up.ts';

const KEY = 'raw:user-events';
const GROUP = 'bench';
const PAGE = 100;

/** An envelope as a hand-written program makes it. */
const envelope = (body: BenchBody): string =>
  JSON.stringify({
    header: { id: randomUUID(), type: TYPE, origin: 'bench', timestamp: new Date().toISOString() },
    body,
  });

const connect = async (url: string): Promise<Redis> => {
  const redis = new Redis(url);
  await redis.ping();
  return redis;
};

type Publish = (redis: Redis, bodies: readonly BenchBody[], events: number) => Promise<void>;

const publisher =
  (publish: Publish, bytes: number, warmUp = 0): OpenPart =>
  async ({ url, events }) => {
    const redis = await connect(url);
    const bodies = createBodies(bytes);
    await publish(redis, bodies, warmUp);
    return {
      run: (count) => publish(redis, bodies, count),
      verify: async () => expectCount('Entries of the raw stream', await redis.xlen(KEY), events + warmUp),
      close: async () => redis.disconnect(),
    };
  };

const addPages = async (redis: Redis, bodies: readonly BenchBody[], events: number): Promise<void> => {
  for (let index = 0; index < events; ) {
    const pipeline = redis.pipeline();
    for (let count = 0; count < PAGE && index < events; count++, index++)
      pipeline.xadd(KEY, '*', 'data', envelope(bodyOf(bodies, index)));
    await pipeline.exec();
  }
};

/** R1: stock ioredis, an envelope for each event, pipelines of 100, one in flight. */
export const rawPipeline = (bytes: number, warmUp = 0): OpenPart => publisher(addPages, bytes, warmUp);

const addEach: Publish = async (redis, bodies, events) => {
  for (let index = 0; index < events; index++) await redis.xadd(KEY, '*', 'data', envelope(bodyOf(bodies, index)));
};

/** One XADD after the other, each awaited. */
export const rawSequence = (bytes: number, warmUp = 0): OpenPart => publisher(addEach, bytes, warmUp);

/** An XADD at a time, at this pace, sent at once. */
export const rawPaced = (pace: Pace, bytes: number): OpenPart =>
  publisher(async (redis, bodies, events) => {
    const replies: Promise<unknown>[] = [];
    await inPace(pace, events, (index) => {
      const body = { ...bodyOf(bodies, index), sentAt: now() };
      replies.push(redis.xadd(KEY, '*', 'data', envelope(body)));
    });
    await Promise.all(replies);
  }, bytes);

type Reply = [stream: string, entries: [id: string, fields: string[]][]][] | null;

/** XREADGROUP of 100, JSON.parse, a call for each event, one awaited XACK for all, again: until so many are acknowledged. */
const read = async (
  redis: Redis,
  group: string,
  events: number,
  block: boolean,
  handler: (body: BenchBody) => void,
): Promise<void> => {
  for (let done = 0; done < events; ) {
    const reply = (await (block
      ? redis.xreadgroup('GROUP', group, 'reader', 'COUNT', PAGE, 'BLOCK', 1000, 'STREAMS', KEY, '>')
      : redis.xreadgroup('GROUP', group, 'reader', 'COUNT', PAGE, 'STREAMS', KEY, '>'))) as Reply;
    const ids: string[] = [];
    for (const [id, fields] of reply?.[0]?.[1] ?? []) {
      ids.push(id);
      handler((JSON.parse(fields[1] as string) as { body: BenchBody }).body);
    }
    if (ids.length > 0) done += await redis.xack(KEY, group, ...ids);
  }
};

const reader =
  (createTally: (events: number) => Tally, backlogBytes?: number): OpenPart =>
  async ({ url, events }) => {
    const redis = await connect(url);
    const tally = createTally(events);
    await redis.xgroup('CREATE', KEY, GROUP, '0', 'MKSTREAM');
    if (backlogBytes) {
      await addPages(redis, createBodies(backlogBytes), events);
      await redis.xgroup('CREATE', KEY, WARM_UP_GROUP, '0');
      const warmUp = createTally(events);
      await read(redis, WARM_UP_GROUP, events, false, (body) => warmUp.add(body));
    }
    return {
      async run(count) {
        await read(redis, GROUP, count, !backlogBytes, (body) => tally.add(body));
        return tally.figures();
      },
      async verify() {
        tally.verify();
        const [pending] = (await redis.xpending(KEY, GROUP)) as [number];
        expectCount('Entries that the raw loop left unacknowledged', pending, 0);
      },
      close: async () => redis.disconnect(),
    };
  };

/** R1c: drains a backlog. */
export const rawDrain = (bytes: number): OpenPart => reader((events) => new Tally(events), bytes);

/** R1c on a live stream: the same loop with BLOCK. */
export const rawLive: OpenPart = reader((events) => new Tally(events));

/** The same, noting latencies. */
export const rawTimed: OpenPart = reader((events) => new TimedTally(events));
