import type { Payload } from '@logistically/events-kernel';
import type { Connection } from './connection.ts';
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

/** Gives entries to the members of a feed that have free slots, and takes the slots. What nobody can take goes back, for others. */
export const admit = async (
  feed: Feed,
  commands: Connection,
  entries: readonly (RawEntry | Taken)[],
  into: Bundle[],
): Promise<void> => {
  const payloads: Payload[] = [];
  for (const [id, fields] of entries) {
    const payload = payloadOf(fields);
    payloads.push(isSuspect(payload) ? await readBytes(commands, feed.stream, id, payload) : payload);
  }
  let index = 0;
  for (const member of feed.members) {
    const end = Math.min(entries.length, index + member.free);
    if (end === index) continue;
    const page: Page = { deliveries: [], open: end - index, leasedAt: Date.now() };
    for (; index < end; index++) {
      const [id, fields, attempt = 1] = entries[index] as RawEntry | Taken;
      const delivery = new RedisDelivery(feed, member, id, attempt, payloads[index] as Payload, page);
      delivery.notes = notesOf(fields);
      page.deliveries.push(delivery);
    }
    member.free -= page.open;
    feed.pages.add(page);
    into.push({ member, page });
  }
  for (const [id, , attempt = 1] of entries.slice(index)) feed.fail(id, attempt, 0);
};
