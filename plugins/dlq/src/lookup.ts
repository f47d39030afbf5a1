import { EventsError, type LogEntry } from '@logistically/events-kernel';
import { positionOf } from './letter.ts';
import type { Shelf } from './shelf.ts';

/** How many entries of a partition are looked at where its cursors do not tell where to begin. */
const MAX_SCAN = 100_000;

/** The last time that there is. */
const LAST_MS = 8.64e15;

/** The time in a cursor of the form `<ms>-<number>`. */
const timeOf = (cursor: string): number => Number(/^(\d{1,16})-\d+$/.exec(cursor)?.[1]);

/** The entries of one partition that have these cursors. */
const find = async (
  shelf: Shelf,
  topic: string,
  partition: number,
  cursors: ReadonlySet<string>,
): Promise<Map<string, LogEntry>> => {
  const found = new Map<string, LogEntry>();
  const [oldest] = await shelf.read(topic, partition, 'earliest', 1);
  if (!oldest) return found;
  // Whether cursors are times is nowhere promised, but an entry shows it: then there is no need to begin at the beginning.
  const isTimed = timeOf(oldest.cursor) === oldest.time;
  const times = isTimed ? [...cursors].map(timeOf).filter(Number.isFinite) : [];
  if (isTimed && times.length === 0) return found;
  const first = times.reduce((least, time) => Math.min(least, time), LAST_MS);
  const last = times.reduce((most, time) => Math.max(most, time), 0);
  let scanned = 0;
  for await (const page of shelf.pages(topic, partition, isTimed ? new Date(first) : 'earliest', cursors.size + 16))
    for (const entry of page) {
      if (isTimed && entry.time > last) return found;
      if (cursors.has(entry.cursor)) found.set(entry.cursor, entry);
      if (found.size === cursors.size) return found;
      if (!isTimed && ++scanned === MAX_SCAN)
        throw new EventsError(
          'EVENTS_DLQ_TOO_DEEP',
          `Not all of the ids are among the first ${MAX_SCAN} entries of ${topic}/${partition}, and no more are looked at: select by \`filter\`.`,
        );
    }
  return found;
};

/** The entries of these ids, in their order; undefined where there is none. Rejects with `EVENTS_DLQ_ID` and `EVENTS_DLQ_TOO_DEEP`. */
export const entriesOf = async (shelf: Shelf, ids: readonly string[]): Promise<readonly (LogEntry | undefined)[]> => {
  const positions = ids.map((id) => positionOf(id, shelf.prefix));
  const places = new Map<string, { topic: string; partition: number; cursors: Set<string> }>();
  for (const { topic, partition, cursor } of positions) {
    const place = places.get(`${topic}/${partition}`) ?? { topic, partition, cursors: new Set() };
    places.set(`${topic}/${partition}`, place);
    place.cursors.add(cursor);
  }
  const found = new Map<string, Map<string, LogEntry>>();
  for (const [place, { topic, partition, cursors }] of places)
    found.set(place, await find(shelf, topic, partition, cursors));
  return positions.map(({ topic, partition, cursor }) => found.get(`${topic}/${partition}`)?.get(cursor));
};
