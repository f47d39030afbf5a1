import { randomBytes } from 'node:crypto';
import { asReason, type Delay, type OutgoingEvent } from '@logistically/events-kernel';
import type { Command, Commands } from './commands.ts';
import { fieldOf, textOf } from './entry.ts';
import { connectionLost, isConnectionError, isRefusal, type RedisReplyError } from './error.ts';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';
import type { Settings } from './options.ts';

/** ms until what no server took is tried again. */
const RETRY_MS = 20;

/** Once: on the server, and on the replicas where they are to have it, which only its own connection can tell. */
const attempt = (
  commands: Commands,
  command: Command<unknown>,
  timeoutMs: number,
  isCovered: boolean,
  refused: RedisReplyError | undefined,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const cover = commands.cover(refused);
    if (isCovered && !cover) {
      reject(connectionLost());
      return;
    }
    let unanswered = cover ? 2 : 1;
    let reason: unknown;
    const answered = (why?: unknown): void => {
      reason ??= why;
      if (--unanswered > 0) return;
      if (reason === undefined) resolve();
      else reject(reason);
    };
    commands.call(command, timeoutMs, () => answered(), answered, refused);
    cover?.add(answered);
  });

/** Until it is confirmed, or refused for good; by the deadline of an event that is published. It may be done twice. */
const confirm = async (
  commands: Commands,
  command: Command<unknown>,
  { timeoutMs, confirmMs, durability }: Settings,
): Promise<void> => {
  const deadline = Date.now() + confirmMs;
  let refused: RedisReplyError | undefined;
  for (;;) {
    try {
      const leftMs = Math.max(1, Math.min(timeoutMs, deadline - Date.now()));
      return await attempt(commands, command, leftMs, durability !== undefined, refused);
    } catch (error) {
      if (!isConnectionError(error) || commands.closed || Date.now() >= deadline) throw error;
      const before = refused;
      refused = isRefusal(error) ? error : undefined;
      // To be sent elsewhere is nothing to wait for.
      if (refused?.redirection && !before) continue;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      await commands.ready(deadline);
    }
  }
};

/**
 * Keeps events in a sorted set until they are due. Whoever consumes the topic moves them to the stream; this node looks when it
 * is time, the others at their next interval.
 */
export const createDelay = (
  opened: () => Opened,
  keys: Keys,
  settings: Settings,
  checkPartition: (partition: number) => number,
  onScheduled: (event: OutgoingEvent, time: number) => void,
): Delay => ({
  publishAt(time, batch, settle) {
    // Two events with the same payload are two members.
    const nonce = randomBytes(8).toString('hex');
    batch.forEach((event, index) => {
      const add = async (): Promise<void> => {
        const { topology, topics } = opened();
        const { payload, topic, partition = 0 } = event;
        const member = `${fieldOf(payload)}:${nonce}${index}:${textOf(payload)}`;
        const set = keys.delayed(topic, checkPartition(partition));
        topics.touch(topic, Date.now());
        await confirm(topology.publisher(set), (client) => client.zadd(set, time, member), settings);
        onScheduled(event, time);
      };
      add().then(
        () => settle(event),
        (thrown) => settle(event, asReason(thrown)),
      );
    });
  },
});
