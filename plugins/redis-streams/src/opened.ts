import type { TransportHost } from '@logistically/events-kernel';
import type { Connection } from './connection.ts';
import type { Outbox } from './outbox.ts';
import type { Topics } from './topics.ts';

/** What is there while the transport is open. */
export interface Opened {
  readonly host: TransportHost;
  readonly commands: Connection;
  readonly topics: Topics;
  readonly outbox: Outbox;
}
