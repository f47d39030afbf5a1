import { randomBytes } from 'node:crypto';
import { asReason, type Delay, type OutgoingEvent } from '@logistically/events-kernel';
import { fieldOf, textOf } from './entry.ts';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';

/**
 * Keeps events in a sorted set until they are due. Whoever consumes the topic moves them to the stream; this node looks when it
 * is time, the others at their next interval.
 */
export const createDelay = (
  opened: () => Opened,
  keys: Keys,
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
        await topology.at(set).run((client) => client.zadd(set, time, member));
        onScheduled(event, time);
      };
      add().then(
        () => settle(event),
        (thrown) => settle(event, asReason(thrown)),
      );
    });
  },
});
