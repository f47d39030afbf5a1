import type { Payload } from '@logistically/events-kernel';
import type { Commands } from './commands.ts';
import { type Page, RedisDelivery } from './delivery.ts';
import { isSuspect, notesOf, payloadOf, type RawEntry, readBytes } from './entry.ts';
import type { Feed } from './feed.ts';
import type { Member } from './member.ts';

/** An entry that was delivered before: what number of attempt this is. */
export type Taken = readonly [id: string, fields: readonly string[], attempt: number];

/** Deliveries that go to one member together. */
export interface Bundle {
  readonly member: Member;
  readonly page: Page;
}

/** Reads again as bytes what was perhaps damaged when it was read as text. */
const reread = (
  { stream }: Feed,
  commands: Commands,
  entries: readonly (RawEntry | Taken)[],
  payloads: readonly Payload[],
): Promise<readonly Payload[]> =>
  Promise.all(
    entries.map(([id], index) => {
      const payload = payloads[index] as Payload;
      return isSuspect(payload) ? readBytes(commands, stream, id, payload) : payload;
    }),
  );

/**
 * Gives entries to the members of a feed that have free seats, and takes the seats. What nobody can take goes back, for others.
 * At once, but for entries that have to be read again.
 */
export const admit = (
  feed: Feed,
  commands: Commands,
  entries: readonly (RawEntry | Taken)[],
  into: Bundle[],
): Promise<void> | undefined => {
  const payloads = entries.map(([, fields]) => payloadOf(fields));
  if (payloads.some(isSuspect))
    return reread(feed, commands, entries, payloads).then((read) => seat(feed, entries, read, into));
  seat(feed, entries, payloads, into);
  return undefined;
};

const seat = (
  feed: Feed,
  entries: readonly (RawEntry | Taken)[],
  payloads: readonly Payload[],
  into: Bundle[],
): void => {
  let index = 0;
  for (const member of feed.members) {
    const end = Math.min(entries.length, index + member.seats.available);
    if (end === index) continue;
    const page: Page = { deliveries: [], open: end - index, leasedAt: Date.now() };
    for (; index < end; index++) {
      const [id, fields, attempt = 1] = entries[index] as RawEntry | Taken;
      const delivery = new RedisDelivery(feed, member, id, attempt, payloads[index] as Payload, page);
      delivery.notes = notesOf(fields);
      page.deliveries.push(delivery);
    }
    member.seats.free -= page.open;
    feed.pages.add(page);
    into.push({ member, page });
  }
  for (const [id, , attempt = 1] of entries.slice(index)) feed.fail(id, attempt, 0, true);
};
