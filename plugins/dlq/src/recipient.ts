import type { DeadLetter } from './letter.ts';
import type { Shelf } from './shelf.ts';

/**
 * Whether the group that a letter would be sent to is still there: what is sent to nobody is lost. True where the transport
 * cannot tell. Asks once for each topic.
 */
export const recipientsOf = (shelf: Shelf): ((letter: DeadLetter) => Promise<boolean>) => {
  const known = new Map<string, Awaited<ReturnType<Shelf['groups']>>>();
  return async ({ topic, partition, group }) => {
    if (group === undefined) return true;
    if (!known.has(topic)) known.set(topic, await shelf.groups(topic));
    return known.get(topic)?.get(partition)?.includes(group) ?? true;
  };
};
