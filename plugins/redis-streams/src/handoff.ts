import { checkTopic, EventsError, type Handoff, originOf } from '@logistically/events-kernel';
import { RedisDelivery } from './delivery.ts';
import { fieldOf, textOf } from './entry.ts';
import { homeOf, type Keys } from './keys.ts';
import type { Opened } from './opened.ts';
import { moveEntryScript } from './script.ts';

const checkDerived = (topic: string): void => {
  if (!topic.includes(':'))
    throw new EventsError(
      'EVENTS_REDIS_STREAMS_TOPIC',
      `${topic} derives from no topic: its entries stay where they are.`,
    );
};

/** Moves entries between a topic and those that derive from it: their streams have one hash tag, so that one script does it. */
export const createHandoff = (opened: () => Opened, keys: Keys, transport: string): Handoff => ({
  async move(delivery, topic, notes) {
    checkTopic(topic);
    const origin = originOf(delivery);
    if (!(origin instanceof RedisDelivery) || !origin.page)
      throw new EventsError(
        'EVENTS_REDIS_STREAMS_LEASE_LOST',
        `Only an unsettled delivery of ${transport} can be handed off.`,
      );
    opened().topics.touch(topic, Date.now());
    await origin.feed.handoff(origin, keys.stream(topic, delivery.partition), Object.entries(notes).flat());
  },

  async moveEntry({ topic: from, partition, cursor }, topic, notes, payload) {
    checkDerived(from);
    checkTopic(topic);
    if (homeOf(topic) !== homeOf(from))
      throw new EventsError('EVENTS_REDIS_STREAMS_TOPIC', `${topic} has another home than ${from}: move within one.`);
    const { topology, topics } = opened();
    const streams = [keys.stream(from, partition), keys.stream(topic, partition)] as const;
    const commands = topology.at(streams[0]);
    const replaced = payload === undefined ? ['', ''] : [fieldOf(payload), textOf(payload)];
    const args = [cursor, ...replaced, ...Object.entries(notes).flat()];
    topics.touch(topic, Date.now());
    return (await commands.run((client) => moveEntryScript.run(client, streams, args))) === 1;
  },

  async remove({ topic, partition, cursor }) {
    checkDerived(topic);
    const stream = keys.stream(topic, partition);
    return (
      (await opened()
        .topology.at(stream)
        .run((client) => client.xdel(stream, cursor))) === 1
    );
  },
});
