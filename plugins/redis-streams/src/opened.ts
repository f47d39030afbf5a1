import type { TransportHost } from '@logistically/events-kernel';
import type { Outbox } from './outbox.ts';
import type { Topics } from './topics.ts';
import type { Topology } from './topology.ts';

/** What is there while the transport is open. */
export interface Opened {
  readonly host: TransportHost;
  readonly topology: Topology;
  readonly topics: Topics;
  readonly outbox: Outbox;
}
