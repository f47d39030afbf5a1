import { Delivery, type Payload } from '@logistically/events-kernel';
import type { Feed } from './feed.ts';
import type { Member } from './member.ts';

/** A delivery that knows where it is pending. */
export class RedisDelivery extends Delivery {
  readonly feed: Feed;
  readonly member: Member;
  /** Undefined once settled. */
  page: Page | undefined;
  /** Somebody else has it now. */
  lost = false;

  constructor(feed: Feed, member: Member, id: string, attempt: number, payload: Payload, page: Page) {
    super(feed.topic, feed.partition, id, attempt, payload);
    this.feed = feed;
    this.member = member;
    this.page = page;
  }
}

/** Deliveries that came in one reply: their leases run from one moment on. */
export interface Page {
  readonly deliveries: RedisDelivery[];
  /** How many are not settled. */
  open: number;
  /** When their leases were taken or last renewed, ms since the epoch. */
  leasedAt: number;
}
