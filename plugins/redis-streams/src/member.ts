import type { Delivery, Path } from '@logistically/events-kernel';
import type { Feed } from './feed.ts';
import type { Seats } from './seats.ts';

/** One subscription of this node in a lane: where it delivers to, and how many seats it has left. */
export class Member {
  readonly deliver: Path<Delivery>;
  readonly seats: Seats;
  readonly feeds = new Set<Feed>();
  stopped = false;

  constructor(seats: Seats, deliver: Path<Delivery>) {
    this.seats = seats;
    this.deliver = deliver;
  }
}
