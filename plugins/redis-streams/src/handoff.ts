import { checkTopic, EventsError, type Handoff, originOf } from '@logistically/events-kernel';
import { RedisDelivery } from './delivery.ts';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';

/** Moves an entry to a derived topic, whose stream has the same hash tag: one script does both. */
export const createHandoff = (opened: () => Opened, keys: Keys, transport: string): Handoff => ({
  async move(delivery, topic, notes) {
    checkTopic(topic);
    const origin = originOf(delivery);
    if (!(origin instanceof RedisDelivery) || !origin.page)
      throw new EventsError(
        'EVENTS_REDIS_STREAMS_LEASE_LOST',
        `Only an unsettled delivery of ${transport} can be handed off.`,
      );
    await origin.feed.handoff(origin, keys.stream(topic, delivery.partition), Object.entries(notes).flat());
    opened().topics.touch(topic, Date.now());
  },
});
