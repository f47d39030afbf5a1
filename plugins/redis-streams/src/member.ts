import type { Delivery, Path } from '@logistically/events-kernel';
import type { Feed } from './feed.ts';

/** One subscription of this node in a lane: where it delivers to, and how many slots it has left. */
export class Member {
  readonly deliver: Path<Delivery>;
  readonly feeds = new Set<Feed>();
  readonly concurrency: number;
  free: number;
  stopped = false;

  constructor(concurrency: number, deliver: Path<Delivery>) {
    this.concurrency = concurrency;
    this.free = concurrency;
    this.deliver = deliver;
  }
}
