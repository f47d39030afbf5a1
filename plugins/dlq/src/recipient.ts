import type { DeadLetter } from './letter.ts';
import type { Shelf } from './shelf.ts';

/** Why a letter would be sent to nobody, and be lost; undefined where somebody reads it, or the transport cannot tell. */
type Absence = (letter: DeadLetter) => Promise<string | undefined>;

/** Asks once for each topic and group. */
export const absenceOf = (shelf: Shelf): Absence => {
  const groups = new Map<string, Awaited<ReturnType<Shelf['groups']>>>();
  const readers = new Map<string, boolean>();
  return async ({ topic, partition, group }) => {
    if (group === undefined) return undefined;
    if (!groups.has(topic)) groups.set(topic, await shelf.groups(topic));
    const known = groups.get(topic)?.get(partition);
    if (known && !known.includes(group))
      return `there is no group ${group} in ${topic} any more; \`to: 'all'\` sends it to those there are`;
    const key = `${topic}\n${group}`;
    if (!readers.has(key)) readers.set(key, await shelf.isRead(topic, group));
    if (readers.get(key)) return undefined;
    return `nobody reads group ${group} in ${topic} now; start it, or send with \`to: 'all'\`, or with \`force\``;
  };
};
