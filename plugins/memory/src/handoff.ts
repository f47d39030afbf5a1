import { checkTopic, EventsError, type Handoff, originOf } from '@logistically/events-kernel';
import type { MemoryDelivery } from './delivery.ts';
import { Entry } from './entry.ts';
import { homeOf, isDerived, type Partition } from './partition.ts';

interface HandoffOptions {
  /** Where an entry goes. Throws where it cannot be stored. */
  readonly accept: (topic: string, partition: number) => Partition;
  /** Stores an entry, and has it delivered. */
  readonly append: (partition: Partition, entry: Entry) => void;
  /** Takes an entry out of its topic. Undefined where it is not there. */
  readonly remove: (topic: string, partition: number, cursor: string) => Entry | undefined;
}

const checkDerived = (topic: string): void => {
  if (!isDerived(topic))
    throw new EventsError('EVENTS_MEMORY_TOPIC', `${topic} derives from no topic: its entries stay where they are.`);
};

export const createHandoff = ({ accept, append, remove }: HandoffOptions): Handoff => ({
  async move(delivery, topic, notes) {
    const origin = originOf(delivery) as MemoryDelivery;
    const { home, entry, partition } = origin;
    const target = accept(topic, partition);
    if (!home.acknowledge(origin))
      throw new EventsError(
        'EVENTS_MEMORY_NOT_HELD',
        'The delivery is settled or handed back: it cannot be moved any more.',
      );
    append(target, new Entry(entry.stored, entry.event, notes));
  },

  async moveEntry({ topic: from, partition, cursor }, topic, notes, payload) {
    checkDerived(from);
    checkTopic(topic);
    if (homeOf(topic) !== homeOf(from))
      throw new EventsError('EVENTS_MEMORY_TOPIC', `${topic} has another home than ${from}: move within one.`);
    const target = accept(topic, partition);
    const taken = remove(from, partition, cursor);
    if (!taken) return false;
    const event = payload === undefined ? taken.event : undefined;
    append(target, new Entry(payload ?? taken.stored, event, Object.keys(notes).length > 0 ? notes : undefined));
    return true;
  },

  async remove({ topic, partition, cursor }) {
    checkDerived(topic);
    return remove(topic, partition, cursor) !== undefined;
  },
});
